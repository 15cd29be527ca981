//! The SOAP trace: request and response bodies as they were on the wire.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Where SOAP bodies are written for people to read, if anywhere.
///
/// Each body is one block, `Request: <body>` or `Response: <body>`, written whole, so that concurrent requests do not
/// mix within a block. A trace that cannot be written is given up silently: it must not fail the request it describes.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Mutex<dyn Write + Send>>>);

impl Trace {
    /// Writes nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Writes to standard error.
    pub fn stderr() -> Self {
        Self::writer(io::stderr())
    }

    /// Writes to a file, which is created or emptied.
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::writer(File::create(path)?))
    }

    /// Writes to anything.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(writer))))
    }

    /// Whether anybody reads: lets a caller skip work that only serves the trace.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a request body as it was received.
    pub fn request(&self, body: &[u8]) {
        self.block("Request: ", body);
    }

    /// Writes a response body as it is sent.
    pub fn response(&self, body: &[u8]) {
        self.block("Response: ", body);
    }

    fn block(&self, label: &str, body: &[u8]) {
        let Some(writer) = &self.0 else { return };
        let block = [label.as_bytes(), body, b"\n"].concat();
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.write_all(&block);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Trace(on)" } else { "Trace(off)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn writes_one_labelled_block_per_body() {
        let buffer = Buffer::default();
        let trace = Trace::writer(buffer.clone());
        trace.request(b"<a/>");
        trace.response(b"<b/>");
        assert_eq!(*buffer.0.lock().unwrap(), b"Request: <a/>\nResponse: <b/>\n");
    }

    #[test]
    fn off_writes_nothing() {
        assert!(!Trace::off().is_on());
        Trace::off().request(b"<a/>");
    }
}
