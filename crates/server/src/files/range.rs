//! `Range`: which bytes of a file a client asks for.

/// What a `Range` header asks of a file of this size.
#[derive(Debug, PartialEq)]
pub(super) enum Range {
    /// All of it: the header is none that we understand, or asks for several parts.
    Whole,
    /// From the first number, so many bytes.
    Part(u64, u64),
    /// Nothing that the file has.
    Nothing,
}

/// Reads a `Range` header.
// Fidelity: several ranges in one request are answered with the whole file, which HTTP allows.
pub(super) fn parse(header: &str, size: u64) -> Range {
    let Some(ranges) = header.trim().strip_prefix("bytes=") else { return Range::Whole };
    let Some((first, last)) = ranges.split_once('-').filter(|_| !ranges.contains(',')) else { return Range::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim().is_empty(), number(first), last.trim().is_empty(), number(last)) {
        (true, _, false, Some(0)) => Range::Nothing,
        (true, _, false, Some(count)) if size > 0 => Range::Part(size.saturating_sub(count), count.min(size)),
        (true, _, false, Some(_)) => Range::Nothing,
        (false, Some(first), true, _) if first < size => Range::Part(first, size - first),
        (false, Some(first), false, Some(last)) if first <= last && first < size => {
            Range::Part(first, last.min(size - 1) - first + 1)
        }
        (false, Some(first), true, _) if first >= size => Range::Nothing,
        (false, Some(first), false, Some(last)) if first <= last => Range::Nothing,
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::Range::{Nothing, Part, Whole};
    use super::*;

    #[test]
    fn ranges_are_read() {
        let cases = [
            ("bytes=0-4", Part(0, 5)),
            ("bytes=5-", Part(5, 7)),
            ("bytes=-3", Part(9, 3)),
            ("bytes=-99", Part(0, 12)),
            ("bytes=4-99", Part(4, 8)),
            ("bytes=12-", Nothing),
            ("bytes=12-20", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=5-4", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=", Whole),
            ("lines=1-2", Whole),
            ("bytes=99999999999999999999-", Whole),
        ];
        for (header, range) in cases {
            assert_eq!(parse(header, 12), range, "{header}");
        }
        assert_eq!((parse("bytes=0-", 0), parse("bytes=-1", 0)), (Nothing, Nothing));
    }
}
