//! How fast responses and requests go through the codec:
//! `cargo run --release -p vimsim-wire --example throughput -- RESPONSE.xml...`,
//! each a response to `RetrievePropertiesEx`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use vimsim_types::method::RetrievePropertiesEx;
use vimsim_types::{MethodView, Namespace, Ty, Value, Version};
use vimsim_wire::{Limits, decode_request, decode_response, encode_response, from_json, to_json};

const REQUEST: &[u8] = include_bytes!("retrieve_properties_ex.xml");

fn main() {
    let method = RetrievePropertiesEx::method();
    for file in std::env::args().skip(1) {
        let body = std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let limits = Limits::default();
        let read = || decode_response(method, &body, &limits).and_then(|result| result);
        let value = read().unwrap_or_else(|fault| panic!("{file}: {fault}"));
        println!("{file}:");
        report("decode XML", body.len(), || drop(read()));
        let mut out = Vec::new();
        encode_response(method, &value, Version::NEWEST, &mut out);
        report("encode XML", out.len(), || {
            out.clear();
            encode_response(method, &value, Version::NEWEST, &mut out);
        });
        json(&value);
    }
    println!("RetrievePropertiesEx request:");
    report("decode XML", REQUEST.len(), || drop(decode_request(REQUEST, &Limits::default())));
}

fn json(value: &Value) {
    let json = to_json(value, Ty::Any, false, Version::NEWEST);
    let text = json.to_string();
    report("encode JSON", text.len(), || drop(to_json(value, Ty::Any, false, Version::NEWEST).to_string()));
    let limits = Limits::default();
    report("decode JSON", text.len(), || drop(from_json(&json, Ty::Any, false, Namespace::VIM25, &limits)));
}

/// Prints the best of five rounds of 100 ms.
fn report(what: &str, bytes: usize, mut work: impl FnMut()) {
    let round = |_| {
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(100) {
            work();
            count += 1;
        }
        start.elapsed().as_secs_f64() / f64::from(count)
    };
    let seconds = (0..5).map(round).fold(f64::INFINITY, f64::min);
    println!("  {what}: {:.1} us, {:.0} MB/s", seconds * 1e6, bytes as f64 / seconds / 1e6);
}
