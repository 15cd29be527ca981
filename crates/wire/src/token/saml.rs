//! The SAML 2.0 assertion: who somebody is, and for how long this holds.

use vimsim_types::{ArcStr, DateTime};

use super::element::Element;
use crate::xml::encode::escape;

/// What an assertion says, as far as a login asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The user.
    pub subject: ArcStr,
    /// When it begins to hold, if that is said.
    pub not_before: Option<DateTime>,
    /// When it no longer holds, if that is said.
    pub not_on_or_after: Option<DateTime>,
}

/// How the bearer of a token shows that it is his.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation<'a> {
    /// By having it.
    Bearer,
    /// By signing with the key of this certificate, which is DER in base64.
    HolderOfKey(&'a str),
}

impl Assertion {
    /// Reads the assertion that `text` is, or the first one inside it; `None` if there is none that names a subject.
    pub fn read(text: &str) -> Option<Self> {
        Self::of(Element::read(text)?.search("Assertion")?)
    }

    pub(super) fn of(assertion: &Element<'_>) -> Option<Self> {
        let subject = assertion.find(&["Subject", "NameID"])?.text();
        let conditions = assertion.find(&["Conditions"]);
        let time = |name| conditions.and_then(|conditions| conditions.attribute(name)).map(DateTime::parse);
        // A time that cannot be read must not be taken for one that never comes.
        let (not_before, not_on_or_after) = (time("NotBefore"), time("NotOnOrAfter"));
        if subject.is_empty() || not_before == Some(None) || not_on_or_after == Some(None) {
            return None;
        }
        let (not_before, not_on_or_after) = (not_before.flatten(), not_on_or_after.flatten());
        Some(Self { subject: subject.into(), not_before, not_on_or_after })
    }

    /// Writes the assertion. `id` is its own, which is unique; `issuer` is who makes it.
    // Fidelity: a vCenter signs its tokens. Ours are not signed, and nothing here checks signatures.
    pub(super) fn write(&self, id: &str, issuer: &str, issued: DateTime, confirmation: Confirmation<'_>) -> String {
        let mut out = format!(
            "<saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" IssueInstant=\"{}\" \
             Version=\"2.0\"><saml2:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">{}\
             </saml2:Issuer><saml2:Subject><saml2:NameID Format=\"http://schemas.xmlsoap.org/claims/UPN\">{}\
             </saml2:NameID>",
            milliseconds(issued),
            escaped(issuer),
            escaped(&self.subject),
        );
        let end = self.not_on_or_after.map(|end| format!(" NotOnOrAfter=\"{}\"", milliseconds(end)));
        let end = end.unwrap_or_default();
        let (method, data) = match confirmation {
            Confirmation::Bearer => ("bearer", format!("<saml2:SubjectConfirmationData{end}/>")),
            Confirmation::HolderOfKey(certificate) => (
                "holder-of-key",
                format!(
                    "<saml2:SubjectConfirmationData xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                     xsi:type=\"saml2:KeyInfoConfirmationDataType\"><ds:KeyInfo \
                     xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}\
                     </ds:X509Certificate></ds:X509Data></ds:KeyInfo></saml2:SubjectConfirmationData>",
                    escaped(certificate)
                ),
            ),
        };
        out += &format!(
            "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:{method}\">{data}\
             </saml2:SubjectConfirmation></saml2:Subject>"
        );
        let begin = self.not_before.map(|begin| format!(" NotBefore=\"{}\"", milliseconds(begin)));
        out += &format!(
            "<saml2:Conditions{}{end}></saml2:Conditions><saml2:AuthnStatement AuthnInstant=\"{}\">\
             <saml2:AuthnContext><saml2:AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef>\
             </saml2:AuthnContext></saml2:AuthnStatement></saml2:Assertion>",
            begin.unwrap_or_default(),
            milliseconds(issued),
        );
        out
    }
}

/// A time with three digits of its second, which is what readers of tokens expect.
pub(super) fn milliseconds(time: DateTime) -> String {
    let seconds = DateTime::from_micros(time.micros().div_euclid(1_000_000) * 1_000_000).to_string();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), time.micros().rem_euclid(1_000_000) / 1000)
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    escape(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_read_as_it_was_written() {
        let assertion = Assertion {
            subject: "a<b>@vsphere.local".into(),
            not_before: DateTime::parse("2026-01-01T00:00:00.5Z"),
            not_on_or_after: DateTime::parse("2026-01-01T00:05:00Z"),
        };
        for confirmation in [Confirmation::Bearer, Confirmation::HolderOfKey("QUJD")] {
            let text = assertion.write("_1", "https://host/", DateTime::from_micros(0), confirmation);
            assert_eq!(Assertion::read(&text).as_ref(), Some(&assertion), "{text}");
        }
    }

    #[test]
    fn an_assertion_is_found_wherever_it_is() {
        let token = "<x:Security><Assertion><Subject><NameID>root</NameID></Subject></Assertion></x:Security>";
        assert_eq!(Assertion::read(token).map(|token| token.subject).as_deref(), Some("root"));
        assert_eq!(Assertion::read(&token.replace("root", " ")), None);
        let timed = token.replace("</Subject>", "</Subject><Conditions NotOnOrAfter='never'/>");
        assert_eq!(Assertion::read(&timed), None);
    }

    #[test]
    fn times_have_milliseconds() {
        let print = |text| DateTime::parse(text).map(milliseconds).unwrap_or_default();
        assert_eq!(print("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00.000Z");
        assert_eq!(print("2026-01-01T00:00:00.0456Z"), "2026-01-01T00:00:00.045Z");
    }
}
