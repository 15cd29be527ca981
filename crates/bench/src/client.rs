//! HTTP/1.1 over one connection, and no more of it than the measurement needs.
//!
//! The cost of the client is part of every figure, so requests are bytes made beforehand, and of a response only its
//! status, its length and the session cookie are looked at.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::soap;

/// A request in full, to be sent as often as one likes.
pub(crate) struct Prepared(Vec<u8>);

/// A connection that is kept alive, with the session that it logged in to.
pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    /// The session, once there is one.
    cookie: Option<String>,
    /// What was read and not yet used.
    input: Vec<u8>,
    body: Vec<u8>,
}

/// What the head of a response says.
struct Head {
    status: u16,
    /// The number of bytes in the body, or that it comes in chunks.
    length: Option<usize>,
    cookie: Option<String>,
    /// The number of bytes that the head itself has.
    size: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (input, body) = (Vec::with_capacity(64 * 1024), Vec::new());
        Ok(Self { stream, host: address.to_string(), cookie: None, input, body })
    }

    /// The request with this body, in this session.
    pub(crate) fn prepare(&self, body: &str) -> Prepared {
        let cookie = self.cookie.as_ref().map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"));
        let (host, length) = (&self.host, body.len());
        let head = format!(
            "POST /sdk HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml; charset=utf-8\r\n\
             SOAPAction: urn:vim25/8.0.3.0\r\n{cookie}Content-Length: {length}\r\n\r\n"
        );
        Prepared([head.as_bytes(), body.as_bytes()].concat())
    }

    /// Sends a request and waits for the body of the response. A fault is an error.
    pub(crate) async fn send(&mut self, request: &Prepared) -> Result<&[u8]> {
        self.stream.write_all(&request.0).await?;
        let head = loop {
            match parse_head(&self.input)? {
                Some(head) => break head,
                None => self.fill().await?,
            }
        };
        self.input.drain(..head.size);
        self.body.clear();
        match head.length {
            Some(length) => self.read(length).await?,
            None => self.read_chunks().await?,
        }
        if let Some(cookie) = head.cookie {
            self.cookie = Some(cookie);
        }
        if head.status != 200 {
            let body = String::from_utf8_lossy(&self.body);
            let fault = soap::text(&self.body, "faultstring");
            bail!("HTTP {}: {}", head.status, fault.unwrap_or(&body));
        }
        Ok(&self.body)
    }

    /// Makes a request and sends it.
    pub(crate) async fn call(&mut self, body: &str) -> Result<&[u8]> {
        let request = self.prepare(body);
        self.send(&request).await
    }

    async fn fill(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => bail!("the connection was closed"),
            _ => Ok(()),
        }
    }

    /// Moves `length` bytes into the body.
    async fn read(&mut self, length: usize) -> Result<()> {
        let end = self.body.len() + length;
        self.body.reserve(length);
        let here = length.min(self.input.len());
        self.body.extend(self.input.drain(..here));
        while self.body.len() < end {
            let left = (end - self.body.len()) as u64;
            if (&mut self.stream).take(left).read_buf(&mut self.body).await? == 0 {
                bail!("the connection was closed");
            }
        }
        Ok(())
    }

    async fn read_chunks(&mut self) -> Result<()> {
        let mut from = 0;
        loop {
            let Some(line) = find(&self.input[from..], b"\r\n") else {
                self.input.drain(..from);
                from = 0;
                self.fill().await?;
                continue;
            };
            let digits = str::from_utf8(&self.input[from..from + line])?.split(';').next().unwrap_or_default();
            let length = usize::from_str_radix(digits.trim(), 16).context("not the length of a chunk")?;
            from += line + 2;
            // A chunk ends with a line end, and so does the empty list of trailers after the last one.
            while self.input.len() < from + length + 2 {
                self.input.drain(..from);
                from = 0;
                self.fill().await?;
            }
            self.body.extend_from_slice(&self.input[from..from + length]);
            from += length + 2;
            if length == 0 {
                self.input.drain(..from);
                return Ok(());
            }
        }
    }
}

/// The head of a response, once all of it is there.
fn parse_head(input: &[u8]) -> Result<Option<Head>> {
    let Some(end) = find(input, b"\r\n\r\n") else { return Ok(None) };
    let text = str::from_utf8(&input[..end])?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("not an HTTP response")?;
    let mut head = Head { status, length: Some(0), cookie: None, size: end + 4 };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = Some(value.parse()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.length = None;
        } else if name.eq_ignore_ascii_case("set-cookie") {
            head.cookie = value.split(';').next().map(str::to_owned);
        }
    }
    Ok(Some(head))
}

pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let (first, _) = part.split_first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| byte == first) {
        if text[from + at..].starts_with(part) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Serves one connection with `response`, given out a few bytes at a time.
    async fn check(response: &'static str, body: Result<&str, &str>, cookie: Option<&str>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for part in response.as_bytes().chunks(7) {
                stream.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            stream
        };
        let client = async {
            let mut connection = Connection::open(address).await.unwrap();
            let answer = connection.call("hello").await.map(|body| String::from_utf8_lossy(body).into_owned());
            assert!(connection.input.is_empty());
            (answer.map_err(|error| error.to_string()), connection.cookie)
        };
        let ((actual, given), _) = tokio::join!(client, server);
        assert_eq!(actual.as_deref().map_err(String::as_str), body, "{response}");
        assert_eq!(given.as_deref(), cookie, "{response}");
    }

    #[tokio::test]
    async fn reads_responses_whole_or_in_chunks() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<a/>\n", Ok("<a/>\n"), None).await;
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n0A\r\n0123456789\r\n0\r\n\r\n";
        check(chunks, Ok("<a>0123456789"), None).await;
        let cookie = "HTTP/1.1 200 OK\r\nSet-Cookie: s=\"1\"; Path=/\r\nContent-Length: 0\r\n\r\n";
        check(cookie, Ok(""), Some("s=\"1\"")).await;
        check("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", Err("HTTP 500: no"), None).await;
    }
}
