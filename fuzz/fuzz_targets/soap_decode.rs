//! Whatever the bytes are, decoding a request ends in a request or a fault, and a request is encoded to what decodes to
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vimsim_types::Version;
use vimsim_wire::{Limits, Request, decode_request, encode_request};

fuzz_target!(|body: &[u8]| {
    let Ok(request) = decode_request(body, &Limits::default()) else { return };
    let encoded = encode(&request);
    let again = decode_request(&encoded, &Limits::default()).expect("we understand what we say");
    assert_eq!(again.method.name, request.method.name);
    assert_eq!(again.this, request.this);
    // Compared as text, because no NaN equals another.
    assert_eq!(String::from_utf8_lossy(&encode(&again)), String::from_utf8_lossy(&encoded));
});

fn encode(request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    encode_request(request, Version::NEWEST, false, &mut out);
    out
}
