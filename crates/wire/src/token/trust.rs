//! WS-Trust 1.3 over SOAP 1.1: `RequestSecurityToken` and its responses.

use vimsim_types::{ArcStr, DateTime};

use super::element::Element;
use super::saml::{Assertion, Confirmation, escaped, milliseconds};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const TRUST: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// What is to be done with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Make one, on behalf of the user of another one if there is one.
    Issue(Option<Assertion>),
    /// Make one like this.
    Renew(Assertion),
}

/// A request to the security token service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRequest {
    /// What is asked for.
    pub asked: Asked,
    /// The name and password of who asks.
    pub user: Option<(ArcStr, ArcStr)>,
    /// The token of who asks.
    pub token: Option<Assertion>,
    /// The certificate of who asks: DER in base64.
    pub certificate: Option<ArcStr>,
    /// For how many seconds the token is wanted.
    pub lifetime: Option<i64>,
    /// Whether a token is wanted that is bound to the certificate.
    pub is_holder_of_key: bool,
}

impl TrustRequest {
    /// Reads a request; the error says what is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(body).map_err(|_| "the request is not UTF-8")?;
        let envelope = Element::read(text).ok_or("the request is not XML, or too large")?;
        let request = envelope.find(&["Body", "RequestSecurityToken"]).ok_or("there is no RequestSecurityToken")?;
        let word = |name| request.find(&[name]).map(Element::text).unwrap_or_default();
        let last = |uri: &str| uri.rsplit('/').next().unwrap_or_default().to_owned();
        let assertion = |name| request.find(&[name, "Assertion"]);
        let asked = match last(word("RequestType")).as_str() {
            "Issue" => match assertion("ActAs") {
                Some(assertion) => Asked::Issue(Some(Assertion::of(assertion).ok_or("ActAs holds no valid token")?)),
                None => Asked::Issue(None),
            },
            "Renew" => {
                let target = assertion("RenewTarget").and_then(Assertion::of);
                Asked::Renew(target.ok_or("RenewTarget holds no valid token")?)
            }
            _ => return Err("only Issue and Renew are supported"),
        };
        let time = |name| DateTime::parse(request.find(&["Lifetime", name])?.text());
        let lifetime = match (time("Created"), time("Expires")) {
            (Some(begin), Some(end)) => Some((end.micros() - begin.micros()) / 1_000_000),
            _ => None,
        };
        let security = envelope.find(&["Header", "Security"]);
        let part = |path: &[&str]| security.and_then(|security| security.find(path));
        let user = part(&["UsernameToken", "Username"]).map(|user| {
            let password = part(&["UsernameToken", "Password"]).map(Element::text).unwrap_or_default();
            (user.text().into(), password.into())
        });
        Ok(Self {
            asked,
            user,
            token: part(&["Assertion"]).and_then(Assertion::of),
            certificate: part(&["BinarySecurityToken"]).map(|token| token.text().into()),
            lifetime,
            is_holder_of_key: last(word("KeyType")) == "PublicKey",
        })
    }
}

/// Writes the response with the token that was made for a request.
pub fn encode_issued(request: &TrustRequest, token: &Assertion, id: &str, issuer: &str, now: DateTime) -> Vec<u8> {
    let confirmation = match &request.certificate {
        Some(certificate) if request.is_holder_of_key => Confirmation::HolderOfKey(certificate),
        _ => Confirmation::Bearer,
    };
    let assertion = token.write(id, issuer, now, confirmation);
    let created = milliseconds(token.not_before.unwrap_or(now));
    let expires = milliseconds(token.not_on_or_after.unwrap_or(now));
    let key_type = if confirmation == Confirmation::Bearer { "Bearer" } else { "PublicKey" };
    let response = format!(
        "<wst:RequestSecurityTokenResponse><wst:TokenType>urn:oasis:names:tc:SAML:2.0:assertion</wst:TokenType>\
         <wst:RequestedSecurityToken>{assertion}</wst:RequestedSecurityToken><wst:Lifetime><wsu:Created \
         xmlns:wsu=\"{UTILITY}\">{created}</wsu:Created><wsu:Expires xmlns:wsu=\"{UTILITY}\">{expires}</wsu:Expires>\
         </wst:Lifetime><wst:KeyType>{TRUST}/{key_type}</wst:KeyType></wst:RequestSecurityTokenResponse>"
    );
    let declaration = format!(" xmlns:wst=\"{TRUST}\"");
    envelope(&match request.asked {
        Asked::Issue(_) => format!(
            "<wst:RequestSecurityTokenResponseCollection{declaration}>{response}\
             </wst:RequestSecurityTokenResponseCollection>"
        ),
        Asked::Renew(_) => response.replacen(
            "<wst:RequestSecurityTokenResponse",
            &format!("<wst:RequestSecurityTokenResponse{declaration}"),
            1,
        ),
    })
}

/// Writes the fault to a request: that who asks is not who he says, or else that the request is not one.
pub fn encode_trust_fault(is_authentication: bool, message: &str) -> Vec<u8> {
    let (namespace, code) = match is_authentication {
        true => (SECURITY, "FailedAuthentication"),
        false => (TRUST, "InvalidRequest"),
    };
    envelope(&format!(
        "<soapenv:Fault><faultcode xmlns:ns0=\"{namespace}\">ns0:{code}</faultcode><faultstring>{}</faultstring>\
         </soapenv:Fault>",
        escaped(message)
    ))
}

fn envelope(body: &str) -> Vec<u8> {
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenv=\"{SOAP}\"><soapenv:Body>{body}\
         </soapenv:Body></soapenv:Envelope>"
    );
    envelope.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with these elements in its header and body.
    fn request(security: &str, body: &str) -> Result<TrustRequest, &'static str> {
        let text = format!(
            "<Envelope><Header><wsse:Security>{security}</wsse:Security></Header><Body><RequestSecurityToken>{body}\
             </RequestSecurityToken></Body></Envelope>"
        );
        TrustRequest::read(text.as_bytes())
    }

    const ISSUE: &str = "<RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue</RequestType>";
    const TOKEN: &str = "<saml2:Assertion><Subject><NameID>root</NameID></Subject></saml2:Assertion>";

    #[test]
    fn a_request_is_read() {
        let user = "<UsernameToken><Username>a</Username><Password>b&amp;</Password></UsernameToken>";
        let lifetime = "<Lifetime><u:Created>2026-01-01T00:00:00.000Z</u:Created>\
                        <u:Expires>2026-01-01T00:10:00.000Z</u:Expires></Lifetime>";
        let read = request(user, &format!("{ISSUE}{lifetime}<ActAs>{TOKEN}</ActAs>")).unwrap();
        assert_eq!(read.user, Some(("a".into(), "b&".into())));
        assert_eq!((read.lifetime, read.is_holder_of_key), (Some(600), false));
        assert!(matches!(read.asked, Asked::Issue(Some(token)) if token.subject == "root"));
        let renew = ISSUE.replace("Issue", "Renew");
        let read = request("", &format!("{renew}<KeyType>x/PublicKey</KeyType><RenewTarget>{TOKEN}</RenewTarget>"));
        let read = read.unwrap();
        assert!(read.is_holder_of_key && matches!(read.asked, Asked::Renew(_)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let of = |body: &str| request("", body).unwrap_err();
        assert_eq!(of(""), "only Issue and Renew are supported");
        assert_eq!(of(&ISSUE.replace("Issue", "Renew")), "RenewTarget holds no valid token");
        assert_eq!(of(&format!("{ISSUE}<ActAs><Assertion/></ActAs>")), "ActAs holds no valid token");
        assert_eq!(TrustRequest::read(b"<a>"), Err("the request is not XML, or too large"));
        assert_eq!(TrustRequest::read(b"<a/>"), Err("there is no RequestSecurityToken"));
    }

    #[test]
    fn the_token_can_be_read_out_of_the_response() {
        let token = Assertion { subject: "root".into(), not_before: None, not_on_or_after: None };
        for body in [ISSUE.to_owned(), ISSUE.replace("Issue", "Renew") + "<RenewTarget>" + TOKEN + "</RenewTarget>"] {
            let request = request("", &body).unwrap();
            let response = encode_issued(&request, &token, "_1", "https://host/", DateTime::from_micros(0));
            let response = String::from_utf8(response).unwrap();
            assert_eq!(Assertion::read(&response).as_ref(), Some(&token), "{response}");
        }
        let fault = String::from_utf8(encode_trust_fault(true, "a & b")).unwrap();
        assert!(fault.contains("ns0:FailedAuthentication</faultcode><faultstring>a &amp; b<"), "{fault}");
    }
}
