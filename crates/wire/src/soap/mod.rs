//! SOAP 1.1: the envelope, what is in it, and the action beside it.

mod action;
mod request;
mod response;

pub use action::parse_action;
pub use request::{Header, Request, decode_request, encode_request};
pub(crate) use response::read_result;
pub use response::{decode_response, encode_fault, encode_response};

/// The start of every envelope we send, up to what is in the body.
const START: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\"",
    " xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"",
    " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"",
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n",
);
/// The start of the body.
const BODY: &str = "<soapenv:Body>\n";
/// The end of every envelope.
const END: &str = "\n</soapenv:Body>\n</soapenv:Envelope>";

/// The namespace declarations of the element in the body.
fn namespaces(namespace: vimsim_types::Namespace, out: &mut Vec<u8>) {
    namespaces_within(namespace, namespace.urn(), out);
}

/// [`namespaces`] for an element that is itself in another.
fn namespaces_within(namespace: vimsim_types::Namespace, own: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(" xmlns=\"{own}\"").as_bytes());
    if namespace != vimsim_types::Namespace::VIM25 {
        for declared in [vimsim_types::Namespace::VIM25, namespace] {
            out.extend_from_slice(format!(" xmlns:{}=\"{}\"", declared.name(), declared.urn()).as_bytes());
        }
    }
}
