//! SAML tokens, and the WS-Trust requests with which clients ask for them.
//!
//! Both are XML that no table describes. What counts in them is read by local names, whatever the prefixes: a token
//! arrives cut out of the document that declared them.

mod element;
mod saml;
mod trust;

pub use saml::{Assertion, Confirmation};
pub use trust::{Asked, TrustRequest, encode_issued, encode_trust_fault};
