//! What signed content is held against.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::not_found;
use crate::rest::call::Call;
use crate::rest::{Answer, RestError, Result};

/// The identifier of the only policy.
pub(super) fn default_policy() -> String {
    vimsim_simulator::uuid::named("content library OVF default policy")
}

/// The policies.
pub(super) fn policies(call: &Call) -> Result {
    if call.method != "GET" {
        return Err(call.unknown());
    }
    Ok(Answer::Value(json!([{
        "policy": default_policy(),
        "name": "OVF default policy",
        "item_type_rules": { "ovf": "OVF_STRICT_VERIFICATION" },
    }])))
}

/// The certificates whose signatures are trusted.
pub(super) fn certificates(call: &Call) -> Result {
    match call.method.as_str() {
        "GET" => {
            let kept = call.kept();
            let trusted = kept.libraries.trusted.iter();
            let trusted: Vec<_> = trusted.map(|(id, text)| json!({ "certificate": id, "cert_text": text })).collect();
            Ok(Answer::Value(json!({ "certificates": trusted })))
        }
        "POST" => {
            call.may(None, "ContentLibrary.AddCertToTrustStore")?;
            let text = call.required("/cert_text")?;
            if !is_certificate(text) {
                return Err(RestError::invalid(&"cert_text is no certificate in PEM"));
            }
            call.change_libraries(|libraries| {
                let known = libraries.trusted.iter().find(|(_, known)| *known == text).map(|(id, _)| id.clone());
                let id = known.unwrap_or_else(|| libraries.new_id());
                libraries.trusted.insert(id.clone(), text.into());
                Ok(Answer::Created(json!(id)))
            })
        }
        _ => Err(call.unknown()),
    }
}

/// One of them.
pub(super) fn certificate(call: &Call, id: &str) -> Result {
    let kept = call.kept();
    let text = kept.libraries.trusted.get(id).ok_or_else(|| not_found("certificate", id))?;
    match call.method.as_str() {
        "GET" => Ok(Answer::Value(json!({ "cert_text": text }))),
        "DELETE" => {
            call.may(None, "ContentLibrary.DeleteCertFromTrustStore")?;
            call.change_libraries(|libraries| {
                libraries.trusted.remove(id);
                Ok(Answer::Nothing)
            })
        }
        _ => Err(call.unknown()),
    }
}

/// Whether a text has the form of a certificate.
fn is_certificate(text: &str) -> bool {
    let inside = text.split_once("-----BEGIN CERTIFICATE-----").and_then(|(_, rest)| rest.split_once("-----END"));
    let der = inside.and_then(|(body, _)| STANDARD.decode(body.split_whitespace().collect::<String>()).ok());
    der.is_some_and(|der| der.first() == Some(&0x30) && der.len() > 64)
}
