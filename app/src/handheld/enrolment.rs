//! What the centre told of an enrolment: the whole line, or an address and digits.

use shared::key_pin::{EnrolLine, TypedCode};

use crate::sync::{Refused, Trust};

/// Where to enrol, with what, and by what the server is known.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) server: String,
    pub(super) code: String,
    pub(super) trust: Trust,
}

impl Told {
    /// From what was typed or pasted. The line may stand in either field; then the other says nothing.
    pub(super) fn of(server: &str, code: &str) -> Result<Self, Refused> {
        if let Some(line) = [server, code].into_iter().find(|text| EnrolLine::is_meant(text)) {
            let EnrolLine { server, code, pins } =
                line.parse().map_err(|error| Refused::of("sync-line-cut", error, false))?;
            return Ok(Self { server: bare(&server), code, trust: Trust::of(&pins) });
        }
        let TypedCode { code, check } = code.parse().map_err(|error| Refused::of("sync-code-length", error, false))?;
        let trust = match check {
            Some(check) => Trust::Code { code: code.clone(), check },
            None => Trust::System,
        };
        Ok(Self { server: bare(server), code, trust })
    }
}

fn bare(server: &str) -> String {
    server.trim().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "grid-enrol:?code=0123456789&pin=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=&server=https://192.0.2.7:7300/";

    #[test]
    fn a_pasted_line_says_it_all_in_whichever_field() {
        let told = Told::of(LINE, "").unwrap();
        assert_eq!((told.server.as_str(), told.code.as_str()), ("https://192.0.2.7:7300", "0123456789"));
        assert!(matches!(&told.trust, Trust::Keys(pins) if pins.len() == 1));
        assert_eq!(Told::of("https://elsewhere.example", LINE).unwrap(), told);
    }

    #[test]
    fn a_line_that_was_cut_is_not_taken_for_less() {
        let cut = LINE.split("&server").next().unwrap();
        assert_eq!(Told::of(cut, "0123456789").unwrap_err().message.key, "sync-line-cut");
    }

    #[test]
    fn sixteen_digits_name_the_key_and_ten_leave_it_to_the_system() {
        let told = |code| Told::of(" https://c.example/ ", code).unwrap();
        assert_eq!(told("01234 56789").trust, Trust::System);
        let code = Told {
            server: "https://c.example".to_owned(),
            code: "0123456789".to_owned(),
            trust: Trust::Code { code: "0123456789".to_owned(), check: "123456".to_owned() },
        };
        assert_eq!(told("01234 56789 123 456"), code);
        assert_eq!(Told::of("https://c.example", "01234 56789 123").unwrap_err().message.key, "sync-code-length");
    }
}
