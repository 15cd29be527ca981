//! The `SOAPAction` header: which namespace and version a client speaks.

use vimsim_types::{Namespace, Version};

/// Reads a `SOAPAction` header, such as `"urn:vim25/8.0.3.0"`, with or without the quotes.
///
/// No version means the newest: the reference implementation takes a bare `urn:vim25` for an old client of version
/// 2.5u2, but whoever leaves it out today is a script written for the current API. The same goes for a version that is
/// no number, and for actions that are none of ours, such as those of the security token service.
pub fn parse_action(header: Option<&str>) -> (Namespace, Version) {
    let action = header.unwrap_or_default().trim().trim_matches('"').trim();
    let (urn, id) = action.split_once('/').unwrap_or((action, ""));
    match Namespace::from_urn(urn) {
        Some(namespace) => (namespace, Version::parse(namespace, id.trim()).unwrap_or(Version::NEWEST)),
        None => (Namespace::VIM25, Version::NEWEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_name_namespace_and_version() {
        let read = |header| {
            let (namespace, version) = parse_action(header);
            (namespace.name(), if version == Version::NEWEST { "newest" } else { version.id(namespace) })
        };
        assert_eq!(read(Some("\"urn:vim25/8.0.3.0\"")), ("vim25", "8.0.3.0"));
        assert_eq!(read(Some("urn:vim25/6.7")), ("vim25", "6.7"));
        assert_eq!(read(Some("urn:vim25/8.0.2.7")), ("vim25", "8.0.2.0"));
        assert_eq!(read(Some("urn:vim2/2.0")), ("vim25", "2.0"));
        assert_eq!(read(Some("\"urn:pbm/2.0\"")), ("pbm", "2.0"));
        assert_eq!(read(Some("urn:vim25")), ("vim25", "newest"));
        assert_eq!(read(Some("\"urn:vim25/\"")), ("vim25", "newest"));
        assert_eq!(read(Some("")), ("vim25", "newest"));
        assert_eq!(read(None), ("vim25", "newest"));
        let issue = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue";
        assert_eq!(read(Some(issue)), ("vim25", "newest"));
    }
}
