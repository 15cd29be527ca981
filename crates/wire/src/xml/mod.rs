//! XML: the reader, the decoder and the encoder.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod reader;
