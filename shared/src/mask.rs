//! How values are shown: masked (`6***************34`, `139****5678`, age instead of a birth date) wherever they are not
//! being edited, and plain for whoever may see them.
//!
//! All of it works on characters, never on bytes, and on any text: what people type is not always what was asked.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};

use crate::check;
use crate::form::{Field, FieldType, MaskKind, PhotoParticulars, Position};
use crate::value::Value;

/// 北京时间, the only zone that is shown: seconds east of UTC.
const BEIJING: i32 = 8 * 3600;

/// `first` characters, stars, `last` characters; all stars if fewer than three would be hidden between them.
fn keep(text: &str, first: usize, last: usize) -> String {
    let count = text.chars().count();
    let hide_all = count < first + last + 3;
    text.chars()
        .enumerate()
        .map(|(at, c)| if !hide_all && (at < first || at >= count - last) { c } else { '*' })
        .collect()
}

/// `620423199001011234` → `6***************34`.
pub fn id_number(number: &str) -> String {
    keep(number.trim(), 1, 2)
}

/// `13912345678` → `139****5678`; of any other number the last four digits at most: `0943-5521234` → `********1234`.
pub fn phone(number: &str) -> String {
    let number = number.trim();
    let mobile = number.len() == 11 && number.starts_with('1') && number.bytes().all(|b| b.is_ascii_digit());
    if mobile { keep(number, 3, 4) } else { keep(number, 0, 4) }
}

/// `1990-01-01` → the age in whole years as a number without a unit; nothing if that is no date.
pub fn birth_date(date: &str, today: NaiveDate) -> String {
    parse_date(date).and_then(|birth| check::age(birth, today)).map(|age| age.to_string()).unwrap_or_default()
}

/// A date as it is stored: `2026-11-23`.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    // chrono also takes 2026-1-3; one day must have one spelling, or equal values would be 待核对.
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())?
}

/// The value of `field` as it is shown to those who may not see it whole; the plain text of a field without a mask.
pub fn value(field: &Field, value: &Value, today: NaiveDate) -> String {
    match (field.mask, value.as_text()) {
        (Some(kind), Some(text)) => mask(kind, &text, today),
        // Not the shape the mask knows: better nothing than too much.
        (Some(_), None) => String::new(),
        (None, _) => value.plain(),
    }
}

/// `text` behind the mask `kind`.
pub fn mask(kind: MaskKind, text: &str, today: NaiveDate) -> String {
    match kind {
        MaskKind::IdNumber => id_number(text),
        MaskKind::Phone => phone(text),
        MaskKind::BirthDate => birth_date(text, today),
    }
}

/// The value of `field` in words, unmasked: labels of choices, dates and times in 北京时间, positions.
///
/// `lang` chooses the labels of the form; `say` gives the message of a key (`yes`, `no`). A link gives its id: only
/// the caller knows the record's title. A photo gives the time it was taken.
pub fn display(field: &Field, value: &Value, lang: &str, say: &dyn Fn(&str) -> String) -> String {
    if value.is_null() {
        return String::new();
    }
    let known = match field.kind {
        FieldType::Choice => value.as_text().map(|code| field.choice_label(&code, lang).to_owned()),
        FieldType::YesNo => value.get::<bool>().map(|yes| say(if yes { "yes" } else { "no" })),
        FieldType::Time => value.get::<i64>().and_then(time),
        FieldType::Position => value.get::<Position>().map(position),
        FieldType::LinkOrText => value.get::<LinkOrText>().map(|target| target.id.or(target.text).unwrap_or_default()),
        FieldType::Photos => value.get::<PhotoParticulars>().and_then(|photo| time(photo.at)),
        FieldType::Choices | FieldType::Links => value.get::<bool>().map(|_| String::new()),
        _ => None,
    };
    known.unwrap_or_else(|| value.plain())
}

/// [`value`] where the field has a mask, else [`display`]: what every screen and masked export shows.
pub fn shown(field: &Field, it: &Value, lang: &str, today: NaiveDate, say: &dyn Fn(&str) -> String) -> String {
    if field.mask.is_some() { value(field, it, today) } else { display(field, it, lang, say) }
}

/// The value of a field of type `link_or_text`: exactly one of both.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkOrText {
    /// The record's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is written where there is no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Milliseconds since 1970 UTC as `2026-11-23 17:05` in 北京时间; `None` beyond the years chrono knows.
pub fn time(millis: i64) -> Option<String> {
    in_beijing(DateTime::from_timestamp_millis(millis)?).map(|time| time.format("%Y-%m-%d %H:%M").to_string())
}

/// `time` as a clock in 北京时间 shows it; `None` at the very end of the calendar, where a forged time can lie and
/// chrono's `with_timezone` would panic.
pub fn in_beijing(time: DateTime<Utc>) -> Option<NaiveDateTime> {
    time.naive_utc().checked_add_offset(FixedOffset::east_opt(BEIJING)?)
}

/// The date in 北京时间 at `now`: "today" for ages and limits.
pub fn today(now: DateTime<Utc>) -> NaiveDate {
    in_beijing(now).map_or(now.date_naive(), |time| time.date())
}

/// Latitude, longitude in degrees with six digits (11 cm), and the accuracy in metres.
pub fn position(position: Position) -> String {
    format!("{:.6}, {:.6} (±{:.0} m)", position.lat, position.lon, position.accuracy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        parse_date(text).unwrap()
    }

    #[test]
    fn numbers_are_masked_as_the_domain_says() {
        assert_eq!(id_number("620423199001011234"), "6***************34");
        assert_eq!(phone("13912345678"), "139****5678");
        assert_eq!(phone("0943-5521234"), "********1234");
        assert_eq!(birth_date("1990-11-24", day("2026-11-23")), "35");
        assert_eq!(birth_date("1990-11-23", day("2026-11-23")), "36");
    }

    #[test]
    fn short_and_strange_texts_show_nothing_and_never_panic() {
        for text in ["", "1", "34", "123", "证件号码", "ß", "👨‍👩‍👧", "110", "12345"] {
            assert!(id_number(text).chars().all(|c| c == '*'), "{text}");
            assert!(phone(text).chars().all(|c| c == '*'), "{text}");
            assert_eq!(birth_date(text, day("2026-11-23")), "");
        }
        assert_eq!(id_number("护照号码一二三"), "护****二三");
        assert_eq!(birth_date("2027-01-01", day("2026-11-23")), "");
        assert_eq!(time(i64::MAX), None);
        assert_eq!(time(DateTime::<Utc>::MAX_UTC.timestamp_millis()), None);
    }

    #[test]
    fn a_masked_field_of_another_shape_shows_nothing() {
        let forms = crate::form::Forms::parse(assets::FORMS.iter().copied()).unwrap();
        let phone = forms.newest(crate::record::RecordKind::Person).unwrap().field("phone").unwrap();
        let today = day("2026-11-23");
        assert_eq!(value(phone, &Value::of(&13_912_345_678_u64), today), "");
        assert_eq!(value(phone, &Value::of(&["13912345678"]), today), "");
        assert_eq!(shown(phone, &Value::text("13912345678"), "zh-CN", today, &|key| key.to_owned()), "139****5678");
    }

    #[test]
    fn values_are_said_in_words() {
        let forms = crate::form::Forms::parse(assets::FORMS.iter().copied()).unwrap();
        let event = forms.newest(crate::record::RecordKind::Event).unwrap();
        let say = |key: &str| key.to_owned();
        let shown = |name: &str, value: Value| display(event.field(name).unwrap(), &value, "zh-CN", &say);
        assert_eq!(shown("category", Value::text("hazard")), "安全隐患");
        assert_eq!(shown("category", Value::text("of_version_2")), "of_version_2");
        assert_eq!(shown("happened_at", Value::of(&1_795_422_300_000_i64)), "2026-11-23 16:25");
        assert_eq!(shown("place", Value::of(&serde_json::json!({"text": "3 号楼前"}))), "3 号楼前");
        assert_eq!(shown("title", Value::null()), "");
        let at = Position { lat: 37.183_912, lon: 104.051_204, accuracy: 8.2, at: 0 };
        assert_eq!(shown("position", Value::of(&at)), "37.183912, 104.051204 (±8 m)");
    }
}
