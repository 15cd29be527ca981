//! `/sts`: the security token service, where clients get the SAML token for `LoginByToken`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tracing::debug;
use vimsim_simulator::{Service, Token, TokenRequest};
use vimsim_wire::{Asked, Assertion, TrustRequest, encode_issued, encode_trust_fault};

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

pub(crate) fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/sts/STSService", post(answer))
        .route("/sts/STSService/{tenant}", post(answer))
        .route("/sts/system-STSService/sdk", post(answer))
        .with_state(service)
}

/// The token that an assertion is, for the simulator.
pub(crate) fn token(assertion: Assertion) -> Token {
    let Assertion { subject, not_before, not_on_or_after } = assertion;
    Token { subject, not_before, not_on_or_after }
}

async fn answer(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, body) = match TrustRequest::read(&body) {
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, encode_trust_fault(false, problem)),
        Ok(request) => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
            match grant(&service, &request, host) {
                Ok(response) => (StatusCode::OK, response),
                Err(fault) => {
                    debug!(%fault, "a token was refused");
                    (StatusCode::INTERNAL_SERVER_ERROR, encode_trust_fault(true, "Invalid credentials"))
                }
            }
        }
    };
    (status, [(CONTENT_TYPE, XML)], body).into_response()
}

fn grant(service: &Service, request: &TrustRequest, host: &str) -> Result<Vec<u8>, vimsim_types::Fault> {
    let wanted = TokenRequest {
        user: request.user.clone(),
        token: request.token.clone().map(token),
        act_as: match &request.asked {
            Asked::Issue(act_as) => act_as.clone().map(token),
            Asked::Renew(_) => None,
        },
        lifetime: request.lifetime,
        is_holder_of_key: request.is_holder_of_key,
    };
    let granted = match &request.asked {
        Asked::Issue(_) => service.issue_token(&wanted)?,
        Asked::Renew(target) => service.renew_token(&token(target.clone()), &wanted)?,
    };
    let Token { subject, not_before, not_on_or_after } = granted;
    let now = not_before.unwrap_or(vimsim_types::DateTime::from_micros(0));
    let assertion = Assertion { subject, not_before, not_on_or_after };
    let id = format!("_{}", vimsim_simulator::uuid::random());
    let issuer = format!("https://{host}/websso/SAML2/Metadata/vsphere.local");
    Ok(encode_issued(request, &assertion, &id, &issuer, now))
}
