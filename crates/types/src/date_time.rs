//! `xsd:dateTime` as vSphere servers send it.

use std::fmt;

use jiff::Timestamp;

/// A point in time with microsecond precision, which is what vCenter keeps. Printed in UTC without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(i64);

impl DateTime {
    /// The point in time this many microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads an `xsd:dateTime`. A time without an offset is taken as UTC, as vCenter does.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Some(timestamp.into());
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
    }

    /// This time, later by `seconds` (earlier if negative).
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

impl From<Timestamp> for DateTime {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => f.write_str(if self.0 < 0 { "0001-01-01T00:00:00Z" } else { "9999-12-31T23:59:59Z" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_it_reads() {
        for text in ["2026-11-22T11:27:31.059045Z", "1970-01-01T00:00:00Z", "2026-11-22T11:27:31.5Z"] {
            assert_eq!(DateTime::parse(text).map(|time| time.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn offset_becomes_utc_and_none_means_utc() {
        let expected = DateTime::parse("2026-11-22T10:00:00Z");
        assert!(expected.is_some());
        assert_eq!(DateTime::parse("2026-11-22T12:00:00+02:00"), expected);
        assert_eq!(DateTime::parse(" 2026-11-22T10:00:00 "), expected);
        assert_eq!(DateTime::parse("yesterday"), None);
    }
}
