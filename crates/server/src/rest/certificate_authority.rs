//! `/rest/vcenter/certificate-authority`: the authority that certifies hosts (VMCA). It signs what
//! `HostCertificateManager` asks for.
// Fidelity: vCenter has this service for itself and its Supervisors; paths and fields are those of vcsim.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Router};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Body, Caller, ErrorKind, Rest, RestError, Result};

/// The authority: its certificate and its key, made when somebody first asks for them.
type Authority = Arc<OnceLock<CertifiedIssuer<'static, KeyPair>>>;

pub(super) fn routes(router: Router<Rest>) -> Router<Rest> {
    let routes = Router::new().route("/get-root", get(root)).route("/sign-cert", post(sign));
    router.nest("/vcenter/certificate-authority", routes.layer(Extension(Authority::default())))
}

/// The longest that a certificate may be good for, in days: as long as the authority's own.
const LONGEST: u64 = 3_650;

fn internal(error: &rcgen::Error) -> RestError {
    RestError::new(ErrorKind::Internal, "com.vmware.vcenter.certificate_authority.failed", error.to_string())
}

/// The authority itself.
fn issuer(authority: &Authority) -> Result<&CertifiedIssuer<'static, KeyPair>> {
    if let Some(issuer) = authority.get() {
        return Ok(issuer);
    }
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| internal(&error))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in [
        (DnType::CommonName, "CA"),
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "California"),
        (DnType::OrganizationName, "vimsim"),
        (DnType::OrganizationalUnitName, "VMware Engineering"),
    ] {
        params.distinguished_name.push(kind, value);
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Fixed dates, as those of the service's own certificate.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    let key = KeyPair::generate().map_err(|error| internal(&error))?;
    let made = CertifiedIssuer::self_signed(params, key).map_err(|error| internal(&error))?;
    Ok(authority.get_or_init(|| made))
}

/// The authority's certificate, in PEM.
async fn root(_: Caller, Extension(authority): Extension<Authority>) -> Result {
    Ok(Answer::Value(json!(issuer(&authority)?.as_ref().pem())))
}

#[derive(Deserialize)]
struct SigningRequest {
    /// The request, in PEM.
    csr: String,
    /// For how many days, as text.
    duration: String,
}

/// A certificate, in PEM, for what a signing request names.
async fn sign(
    State(rest): State<Rest>,
    caller: Caller,
    Extension(authority): Extension<Authority>,
    Body(request): Body<SigningRequest>,
) -> Result {
    caller.may(&rest, None, "Certificate.Manage")?;
    let session = &caller.session;
    let invalid = |why: String| RestError::invalid(&why);
    let days = request.duration.parse::<u64>().ok().filter(|days| (1..=LONGEST).contains(days));
    let days = days.ok_or_else(|| invalid(format!("duration must be from 1 to {LONGEST} days")))?;
    let mut asked = CertificateSigningRequestParams::from_pem(&request.csr)
        .map_err(|error| invalid(format!("csr is no signing request: {error}")))?;
    // The caller's session was used just now.
    let now = u64::try_from(session.last_active().micros() / 1_000_000).unwrap_or_default();
    asked.params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    asked.params.not_after = asked.params.not_before + Duration::from_secs(days * 24 * 3_600);
    asked.params.is_ca = IsCa::ExplicitNoCa;
    let signed = asked.signed_by(issuer(&authority)?).map_err(|error| internal(&error))?;
    Ok(Answer::Value(json!(signed.pem())))
}
