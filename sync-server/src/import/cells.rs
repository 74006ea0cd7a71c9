//! From a cell to the writes of a field.

use std::collections::BTreeMap;

use shared::form::{Field, FieldType};
use shared::path::Path;
use shared::value::Value;

use super::table::Cell;

/// The most digits of a whole number that a spreadsheet keeps exactly.
const EXACT: f64 = 1e15;

/// What a field's words mean that are not on the form: the code of a choice, or nothing where the cell is to be left out.
pub type Words = BTreeMap<String, String>;

/// Why a cell says nothing the field can hold: a message key.
pub type BadCell = &'static str;

/// Whether a column of this field can be imported at all.
pub fn can_import(field: &Field) -> bool {
    !matches!(
        field.kind,
        FieldType::Photos
            | FieldType::Steps
            | FieldType::Remarks
            | FieldType::Links
            | FieldType::Link
            | FieldType::Area
            // A position says how exact it is and when it was taken; a table does not.
            | FieldType::Position
            | FieldType::Time
    )
}

/// What a cell of a table writes. `words` is what somebody said that words mean which the form does not know; a word that
/// nobody knows is handed to `unknown`.
pub fn of_cell(
    field: &Field,
    cell: &Cell,
    words: Option<&Words>,
    unknown: &mut dyn FnMut(&str),
) -> Result<Vec<(Path, Value)>, BadCell> {
    let number = |text: String| match field.kind {
        FieldType::Number => writes(field, &text),
        FieldType::Date if text.len() != 8 => Err("import-not-a-date"),
        _ => writes(field, &text),
    };
    match cell {
        Cell::Empty => Ok(Vec::new()),
        Cell::NotText => Err("import-not-in-encoding"),
        Cell::Failed => Err("import-formula-failed"),
        Cell::Text(text) => match field.kind {
            FieldType::Choice | FieldType::Choices => choices(field, text, words, unknown),
            _ => writes(field, text),
        },
        Cell::YesNo(yes) => match field.kind {
            FieldType::YesNo => Ok(vec![(Path::field(&field.name), Value::of(yes))]),
            _ => Err("import-not-this-value"),
        },
        Cell::Day(day) => match field.kind {
            FieldType::Date | FieldType::Text | FieldType::LongText => writes(field, &day.to_string()),
            FieldType::Choice | FieldType::Choices => choices(field, &day.to_string(), words, unknown),
            _ => Err("import-not-this-value"),
        },
        // A number that was typed as one: beyond 15 digits the last ones are gone, whatever is shown.
        Cell::Number(digits)
            if matches!(field.kind, FieldType::IdNumber | FieldType::CreditCode | FieldType::Phone) =>
        {
            if digits.abs() >= EXACT || digits.fract() != 0.0 {
                Err("import-digits-lost")
            } else {
                number(digits.to_string())
            }
        }
        Cell::Number(digits) => match field.kind {
            FieldType::Choice | FieldType::Choices => choices(field, &digits.to_string(), words, unknown),
            _ => number(digits.to_string()),
        },
    }
}

/// One word, or several of them, by the form or by what somebody said that they mean.
fn choices(
    field: &Field,
    cell: &str,
    words: Option<&Words>,
    unknown: &mut dyn FnMut(&str),
) -> Result<Vec<(Path, Value)>, BadCell> {
    let text = tidy(cell);
    let several = field.kind == FieldType::Choices;
    let said = |word: &str| words.and_then(|words| words.get(word)).map(String::as_str);
    let all: Vec<&str> = match (several, said(&text)) {
        (true, None) => text.split(PARTING).map(str::trim).filter(|word| !word.is_empty()).collect(),
        _ if text.is_empty() => Vec::new(),
        _ => vec![text.as_str()],
    };
    let mut found = Vec::new();
    let mut missing = false;
    for word in all {
        match said(word).or_else(|| choice(field, word)) {
            Some("") => {}
            Some(code) if several => found.push((Path::element(&field.name, code), Value::of(&true))),
            Some(code) => found.push((Path::field(&field.name), Value::text(code))),
            None => {
                unknown(word);
                missing = true;
            }
        }
    }
    if missing { Err("import-not-a-choice") } else { Ok(found) }
}

/// What stands between several choices of one cell.
const PARTING: [char; 7] = ['、', ';', '；', ',', '，', '|', '/'];

/// What the cell writes; nothing if it is empty (an empty cell never clears a field).
pub fn writes(field: &Field, cell: &str) -> Result<Vec<(Path, Value)>, BadCell> {
    let text = tidy(cell);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let one = |value: Value| vec![(Path::field(&field.name), value)];
    Ok(match field.kind {
        FieldType::Text | FieldType::LongText => one(Value::text(&text)),
        FieldType::Phone => one(Value::text(&number_text(&text)?.replace([' ', '-', '—', '－'], ""))),
        FieldType::IdNumber | FieldType::CreditCode => {
            one(Value::text(&number_text(&text)?.replace(' ', "").to_ascii_uppercase()))
        }
        FieldType::Number => one(number(&text).ok_or("import-not-a-number")?),
        FieldType::Date => one(Value::text(&date(&text).ok_or("import-not-a-date")?)),
        FieldType::YesNo => one(Value::of(&yes_no(&text).ok_or("import-not-yes-no")?)),
        FieldType::Choice => one(Value::text(choice(field, &text).ok_or("import-not-a-choice")?)),
        FieldType::Choices => text
            .split(PARTING)
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| {
                let code = choice(field, word).ok_or("import-not-a-choice")?;
                Ok((Path::element(&field.name, code), Value::of(&true)))
            })
            .collect::<Result<_, BadCell>>()?,
        FieldType::LinkOrText => one(Value::of(&serde_json::json!({ "text": text }))),
        _ => return Err("import-not-this-type"),
    })
}

/// Without blanks around it (wide ones too), Excel's marks of text (`'`, `="…"`) and unseen characters.
pub fn tidy(cell: &str) -> String {
    let unseen =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{FEFF}' | '\u{200B}' | '\u{200E}' | '\u{200F}');
    let text = cell.trim_matches(unseen);
    let text = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let text = text.strip_prefix('\'').unwrap_or(text);
    text.trim_matches(unseen).to_owned()
}

/// Digits as half-width ones; refused where Excel has already lost some (`6.2042E+17`).
fn number_text(text: &str) -> Result<String, BadCell> {
    let text: String = text.chars().map(half).collect();
    let mantissa = text.split_once(['E', 'e']).filter(|(mantissa, exponent)| {
        mantissa.parse::<f64>().is_ok() && exponent.strip_prefix('+').is_some_and(|n| n.parse::<u8>().is_ok())
    });
    if mantissa.is_some() { Err("import-digits-lost") } else { Ok(text) }
}

/// A full-width letter, digit or sign as the half-width one.
fn half(c: char) -> char {
    match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(c),
        0x3000 => ' ',
        _ => c,
    }
}

fn number(text: &str) -> Option<Value> {
    let text: String = text.chars().map(half).filter(|c| *c != ',').collect();
    let number: serde_json::Number = serde_json::from_str(&text).ok()?;
    Some(Value::of(&number))
}

/// `2026-11-03` of `2026-11-3`, `2026/11/3`, `2026.11.3`, `20261103`, `2026年11月3日`, with or without a time after it.
fn date(text: &str) -> Option<String> {
    let text: String = text.chars().map(half).collect();
    let day = text.split([' ', 'T']).next()?;
    let parts: Vec<&str> = day.split(['-', '/', '.', '年', '月', '日']).filter(|part| !part.is_empty()).collect();
    let (year, month, of_month) = match parts.as_slice() {
        [year, month, day] => (*year, *month, *day),
        [day] if day.len() == 8 && day.is_ascii() => (day.get(..4)?, day.get(4..6)?, day.get(6..)?),
        _ => return None,
    };
    if year.len() != 4 {
        return None;
    }
    let date = chrono::NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, of_month.parse().ok()?)?;
    Some(date.format("%Y-%m-%d").to_string())
}

fn yes_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "是" | "有" | "yes" | "y" | "true" | "1" | "√" => Some(true),
        "否" | "无" | "no" | "n" | "false" | "0" | "×" => Some(false),
        _ => None,
    }
}

fn choice<'a>(field: &'a Field, text: &str) -> Option<&'a str> {
    let found = field
        .choices
        .iter()
        .find(|choice| choice.code == text || choice.zh == text || choice.en.eq_ignore_ascii_case(text));
    found.map(|choice| choice.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str) -> Field {
        let text = format!(
            "kind = \"person\"\nversion = 1\ntitle = \"x\"\nlabel = {{ zh = \"\", en = \"\" }}\n[[section]]\nlabel = {{ zh = \"\", en = \"\" }}\n\
             [[section.field]]\nname = \"x\"\nlabel = {{ zh = \"\", en = \"\" }}\ntype = \"{kind}\"\n\
             choices = [{{ code = \"a\", zh = \"甲\", en = \"First\" }}, {{ code = \"b\", zh = \"乙\", en = \"Second\" }}]\n"
        );
        shared::form::Form::parse(&text).unwrap().field("x").unwrap().clone()
    }

    fn said(kind: &str, cell: &str) -> Result<String, BadCell> {
        let writes = writes(&field(kind), cell)?;
        Ok(writes.into_iter().map(|(path, value)| format!("{path}={value:?}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn cells_are_taken_as_people_and_excel_write_them() {
        for (kind, cell, wanted) in [
            ("text", " \u{3000}张伟\u{200B} ", "x=\"张伟\""),
            ("text", "   ", ""),
            ("id_number", "=\"62000119900307123x\"", "x=\"62000119900307123X\""),
            ("id_number", "\t６２0001199003071234", "x=\"620001199003071234\""),
            ("phone", "'139-1234 5678", "x=\"13912345678\""),
            ("date", "2026年11月3日", "x=\"2026-11-03\""),
            ("date", "2026/11/3 0:00", "x=\"2026-11-03\""),
            ("date", "20261103", "x=\"2026-11-03\""),
            ("number", "1,200", "x=1200"),
            ("yes_no", "是", "x=true"),
            ("choice", "乙", "x=\"b\""),
            ("choice", "first", "x=\"a\""),
            ("choices", "甲、乙", "x/a=true x/b=true"),
            ("link_or_text", "柳湾巷 9 号", "x={\"text\":\"柳湾巷 9 号\"}"),
        ] {
            assert_eq!(said(kind, cell).as_deref(), Ok(wanted), "{kind} {cell}");
        }
        for (kind, cell, wanted) in [
            ("id_number", "6.20423E+17", "import-digits-lost"),
            ("date", "3.11.2026", "import-not-a-date"),
            ("date", "2026-02-30", "import-not-a-date"),
            ("number", "十二", "import-not-a-number"),
            ("choice", "丙", "import-not-a-choice"),
            ("choices", "甲、丙", "import-not-a-choice"),
        ] {
            assert_eq!(said(kind, cell), Err(wanted), "{kind} {cell}");
        }
    }
}
