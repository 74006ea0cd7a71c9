//! A part of something that is fetched over a bad line: who has the beginning goes on where it broke.

use http::{HeaderMap, header};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Range {
    /// All of it.
    Whole,
    /// Both included.
    Part {
        /// The first byte.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Nothing of it is left from there on.
    Beyond,
}

/// One range from a first byte on (RFC 9110, 14.1.2). Whatever else is asked for is answered with all of it, as a server may;
/// so is what is asked for of other bytes than these (13.1.5).
pub fn range(headers: &HeaderMap, tag: &str, length: u64) -> Range {
    if headers.get(header::IF_RANGE).is_some_and(|given| given != tag) {
        return Range::Whole;
    }
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(|text| {
        let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
        let to = if to.is_empty() { u64::MAX } else { to.parse().ok()? };
        Some((from.parse::<u64>().ok()?, to))
    });
    match asked {
        Some((from, to)) if from <= to && from < length => Range::Part { from, to: to.min(length - 1) },
        Some((from, to)) if from <= to => Range::Beyond,
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_anything_else_is_answered_with_all_of_it() {
        let of = |range: &str, more: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(tag) = more {
                headers.insert(header::IF_RANGE, tag.parse().unwrap());
            }
            super::range(&headers, "\"tag\"", 100)
        };
        assert_eq!(of("bytes=0-", None), Range::Part { from: 0, to: 99 });
        assert_eq!(of("bytes=40-49", None), Range::Part { from: 40, to: 49 });
        assert_eq!(of("bytes=99-18446744073709551615", None), Range::Part { from: 99, to: 99 });
        assert_eq!(of("bytes=40-", Some("\"tag\"")), Range::Part { from: 40, to: 99 });
        assert_eq!(of("bytes=40-", Some("\"other\"")), Range::Whole);
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=18446744073709551615-"] {
            assert_eq!(of(beyond, None), Range::Beyond, "{beyond}");
        }
        for other in ["bytes=-5", "bytes=5-2", "bytes=0-1,3-4", "bytes=a-", "lines=0-1", "bytes=", "bytes=0", "-"] {
            assert_eq!(of(other, None), Range::Whole, "{other}");
        }
        assert_eq!(super::range(&HeaderMap::new(), "\"tag\"", 100), Range::Whole);
    }
}
