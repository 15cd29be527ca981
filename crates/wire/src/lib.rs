//! How the vSphere API looks on the wire: SOAP 1.1 and JSON, both driven by the tables of `vimsim-types`.
//!
//! Nothing else in the project knows XML or JSON. A request comes in as bytes and goes out of here as a [`Request`]; a
//! [`Value`](vimsim_types::Value) or a [`Fault`](vimsim_types::Fault) comes in and goes out as bytes. Whatever the
//! bytes are, decoding ends, in memory and depth that [`Limits`] bounds, and says with a fault what is wrong and where.

mod json;
mod limits;
mod names;
#[cfg(test)]
mod samples;
mod saved;
mod soap;
mod token;
pub mod wsdl;
mod xml;

pub use json::{from_json, to_json};
pub use limits::Limits;
pub use saved::{decode_saved_answer, decode_saved_object};
pub use soap::{
    Header, Request, decode_request, decode_response, encode_fault, encode_request, encode_response, parse_action,
};
pub use token::{Asked, Assertion, Confirmation, TrustRequest, encode_issued, encode_trust_fault};
pub use xml::decode::decode_value;
pub use xml::encode::{encode_document, encode_value};
