//! `vcenter/crypto-manager/kms/providers`: native key providers. Others are known to `CryptoManagerKmip` alone.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};
use vimsim_simulator::{NativeProvider, Service};

use super::call::Call;
use super::{Answer, Result};

/// What changes and tells of providers needs.
const PRIVILEGE: &str = "Cryptographer.ManageKeyServers";

/// Where backups are fetched.
const BACKUPS: &str = "/cryptomanager/kms";

pub(super) fn answer(call: &Call, path: &[&str]) -> Result {
    call.may(None, PRIVILEGE)?;
    let service = call.service();
    match (&call.method, path, call.action()) {
        (&Method::GET, [], None) => {
            let (names, health) = (call.wanted("providers"), call.wanted("health"));
            let is_wanted = |known: &NativeProvider| {
                (names.is_empty() || names.contains(&known.name.as_str()))
                    && (health.is_empty() || health.contains(&self::health(known)))
            };
            let all = service.native_providers()?.into_iter().filter(is_wanted);
            Ok(Answer::Value(
                all.map(|known| json!({ "provider": known.name.as_str(), "health": self::health(&known) })).collect(),
            ))
        }
        (&Method::GET, [name], None) => Ok(Answer::Value(info(&service.native_provider(name)?))),
        (&Method::POST, [], None) => {
            service.create_native_provider(call.required("/provider")?, tpm_required(call).unwrap_or(true))?;
            Ok(Answer::Nothing)
        }
        (&Method::POST, [], Some("export")) => {
            let name = call.required("/provider")?;
            let backup = service.export_native_provider(name)?;
            Ok(Answer::Value(json!({
                "type": "LOCATION",
                "location": {
                    "url": format!("{}{BACKUPS}/{name}", call.base()),
                    "download_token": { "token": backup.token.as_str(), "expiry": backup.expiry.to_string() },
                },
            })))
        }
        (&Method::PATCH, [name], None) => {
            let known = service.native_provider(name)?;
            service.set_native_provider(name, tpm_required(call).unwrap_or(known.tpm_required))?;
            Ok(Answer::Nothing)
        }
        (&Method::DELETE, [name], None) => {
            service.delete_native_provider(name)?;
            Ok(Answer::Nothing)
        }
        _ => Err(call.unknown()),
    }
}

fn tpm_required(call: &Call) -> Option<bool> {
    call.body.pointer("/constraints/tpm_required")?.as_bool()
}

/// A provider without a backup warns of that.
fn health(provider: &NativeProvider) -> &'static str {
    if provider.is_active { "OK" } else { "WARNING" }
}

fn info(provider: &NativeProvider) -> Json {
    let details: Vec<Json> = match provider.is_active {
        true => Vec::new(),
        false => vec![json!({
            "id": "com.vmware.vcenter.crypto_manager.kms.providers.no_backup",
            "default_message": "The key provider is not backed up.",
            "args": [],
        })],
    };
    let mut info = json!({
        "health": health(provider),
        "details": details,
        "constraints": { "tpm_required": provider.tpm_required },
        "type": "NATIVE",
    });
    if let Some(key) = &provider.key {
        info["native_info"] = json!({ "key_id": key.as_str() });
    }
    info
}

/// Where backups are fetched, by whoever has the token.
pub(crate) fn backup_routes(service: &Arc<Service>) -> Router {
    Router::new().route(&format!("{BACKUPS}/{{provider}}"), get(fetch)).with_state(service.clone())
}

/// A backup of a provider.
// Fidelity: vCenter's are in PKCS #12, with the key. There is no key to save; what is in ours says which one it would be.
async fn fetch(State(service): State<Arc<Service>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match service.back_up_native_provider(&name, token.unwrap_or_default()) {
        Ok(Some(provider)) => {
            let key = provider.key.as_ref().map(|key| key.as_str());
            let content = json!({ "provider": provider.name.as_str(), "key_id": key });
            let file: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
            let headers = [
                (CONTENT_TYPE, "application/octet-stream".to_owned()),
                (CONTENT_DISPOSITION, format!("attachment; filename={file}.p12")),
            ];
            (headers, content.to_string()).into_response()
        }
        Ok(None) => StatusCode::UNAUTHORIZED.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
