//! Profiles: files as an upper platform takes them, with its columns, its codes and its encoding, so that nothing is typed
//! twice. `exports/NAME.toml` in the data folder, else the shipped one of that name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;
use shared::form::{Field, FieldType, Form, Forms, Label};
use shared::merge::PartState;
use shared::record::RecordKind;
use shared::view::{self, Policy};

use super::columns::updated;
use super::xlsx::{Column, Shape};
use super::{Line, Status, Telling, csv, show};

/// The folder of the town's own profiles in the data folder.
pub const FOLDER: &str = "exports";
/// The statuses of a record, which have code tables as choices have.
const STATUSES: [&str; 4] = ["new", "changed", "removed", "gone"];

/// A profile, read and checked against the forms.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name on the command line.
    pub name: String,
    /// For people.
    pub label: Label,
    /// Of which records.
    pub kind: RecordKind,
    /// The name of the file; its end says what it is.
    pub file: String,
    /// What the file is.
    pub written: Written,
    columns: Vec<Mapped>,
}

/// What the file of a profile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A workbook of one sheet.
    Xlsx,
    /// CSV, UTF-8 with byte order mark.
    Utf8,
    /// CSV, GB 18030, without a mark.
    Gb18030,
}

#[derive(Debug, Clone)]
struct Mapped {
    header: String,
    from: Source,
    codes: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
enum Source {
    Id,
    Status,
    Area,
    AreaCode,
    Updated,
    Field(Box<Field>),
}

/// Why a file is no profile.
#[derive(Debug, thiserror::Error)]
pub enum BadProfile {
    /// No file of the name.
    #[error("there is no profile {0}")]
    None(String),
    /// It cannot be read.
    #[error("the profile {0} cannot be read: {1}")]
    Io(String, #[source] io::Error),
    /// Not TOML of the shape.
    #[error("the profile {0} cannot be read: {1}")]
    Toml(String, #[source] toml::de::Error),
    /// It does not hold together, and why.
    #[error("the profile {0}: {1}")]
    Wrong(String, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    kind: RecordKind,
    label: Label,
    file: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(rename = "column")]
    columns: Vec<ReadColumn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadColumn {
    header: String,
    from: String,
    #[serde(default)]
    codes: BTreeMap<String, String>,
}

/// A code that no table of the profile has: the column, and the code.
pub type Unknown = BTreeSet<(String, String)>;

/// The profiles that can be used, each with its label; one that does not hold together is left out.
pub fn listed(forms: &Forms, data: &Path) -> BTreeMap<String, Label> {
    let own = disk::list(&data.join(FOLDER)).unwrap_or_default();
    let own =
        own.into_iter().filter_map(|entry| Some(entry.path.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned()));
    let names = assets::EXPORTS.iter().map(|(name, _)| (*name).to_owned()).chain(own);
    names.filter_map(|name| Some((name.clone(), Profile::named(forms, data, &name).ok()?.label))).collect()
}

impl Profile {
    /// The profile of a name, as the town has it or as it is shipped.
    pub fn named(forms: &Forms, data: &Path, name: &str) -> Result<Self, BadProfile> {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let none = || BadProfile::None(name.to_owned());
        if !plain {
            return Err(none());
        }
        match disk::read(&data.join(FOLDER).join(format!("{name}.toml"))) {
            Ok(bytes) => Self::parse(forms, name, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let shipped = assets::EXPORTS.iter().find(|(shipped, _)| *shipped == name);
                Self::parse(forms, name, shipped.ok_or_else(none)?.1)
            }
            Err(error) => Err(BadProfile::Io(name.to_owned(), error)),
        }
    }

    /// Reads a file and checks it against the forms.
    pub fn parse(forms: &Forms, name: &str, text: &str) -> Result<Self, BadProfile> {
        let read: Read = toml::from_str(text).map_err(|error| BadProfile::Toml(name.to_owned(), error))?;
        let wrong = |why: String| BadProfile::Wrong(name.to_owned(), why);
        let form = forms.newest(read.kind).ok_or_else(|| wrong("there is no form of its kind".to_owned()))?;
        let ending = read.file.rsplit_once('.').map(|(_, ending)| ending);
        let written = match (ending, read.encoding.as_deref()) {
            (Some("xlsx"), None) => Written::Xlsx,
            (Some("csv"), None | Some("utf-8")) => Written::Utf8,
            (Some("csv"), Some("gb18030")) => Written::Gb18030,
            (Some("csv"), Some(other)) => return Err(wrong(format!("encoding is utf-8 or gb18030, not {other}"))),
            (Some("xlsx"), Some(_)) => return Err(wrong("a workbook has no encoding".to_owned())),
            _ => return Err(wrong(format!("file ends with .csv or .xlsx, not {}", read.file))),
        };
        if read.file.starts_with('.') || read.file.contains(['/', '\\', '"']) || read.file.chars().any(char::is_control)
        {
            return Err(wrong(format!("{} is no name of a file", read.file)));
        }
        let mut headers = BTreeSet::new();
        let mut columns = Vec::with_capacity(read.columns.len());
        for column in read.columns {
            if !headers.insert(column.header.clone()) {
                return Err(wrong(format!("the column {} is there twice", column.header)));
            }
            let of = |why: String| wrong(format!("the column {}: {why}", column.header));
            columns.push(Mapped::of(form, &column).map_err(of)?);
        }
        if columns.is_empty() {
            return Err(wrong("it has no columns".to_owned()));
        }
        let (kind, label, file) = (read.kind, read.label, read.file);
        Ok(Self { name: name.to_owned(), label, kind, file, written, columns })
    }

    /// The format of its file.
    pub fn format(&self) -> crate::batch::Format {
        match self.written {
            Written::Xlsx => crate::batch::Format::Xlsx,
            Written::Utf8 | Written::Gb18030 => crate::batch::Format::Csv,
        }
    }

    /// The headers, and what the columns hold.
    pub fn shaped(&self) -> Vec<Column> {
        let shaped = |column: &Mapped| {
            let shape = match &column.from {
                Source::Id => Shape::Text(38),
                Source::Area | Source::AreaCode => Shape::Text(30),
                Source::Updated => Shape::Time,
                Source::Field(field) if column.codes.is_empty() => Shape::of(field.kind),
                Source::Status | Source::Field(_) => Shape::Text(10),
            };
            Column { name: column.header.clone(), shape }
        };
        self.columns.iter().map(shaped).collect()
    }

    /// The row of a record; codes that no table has are added to `unknown`.
    pub fn row(&self, line: &Line, told: &Telling<'_>, unknown: &mut Unknown) -> Vec<String> {
        self.columns.iter().map(|column| column.cell(line, told, unknown)).collect()
    }

    /// Writes the headers of the CSV.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.written == Written::Utf8 {
            csv::begin(out)?;
        }
        let headers: Vec<String> = self.columns.iter().map(|column| column.header.clone()).collect();
        self.write(out, &headers)
    }

    /// Writes a row of the CSV.
    pub fn write(&self, out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
        let cells = cells.iter().map(String::as_str);
        if self.written != Written::Gb18030 {
            return csv::exact_row(out, cells);
        }
        let mut row = Vec::new();
        csv::exact_row(&mut row, cells)?;
        // Every character has its place in GB 18030.
        let (bytes, _, _) = encoding_rs::GB18030.encode(std::str::from_utf8(&row).map_err(io::Error::other)?);
        out.write_all(&bytes)
    }
}

impl Mapped {
    fn of(form: &Form, column: &ReadColumn) -> Result<Self, String> {
        let from = match column.from.as_str() {
            "@id" => Source::Id,
            "@status" => Source::Status,
            "@area" => Source::Area,
            "@area_code" => Source::AreaCode,
            "@updated" => Source::Updated,
            name => {
                let field = form.field(name).ok_or_else(|| format!("the form has no field {name}"))?;
                if field.restricted {
                    return Err(format!("{name} is restricted, and stays here"));
                }
                Source::Field(Box::new(field.clone()))
            }
        };
        let codes: Vec<&str> = match &from {
            Source::Status => STATUSES.to_vec(),
            Source::Field(field) => match field.kind {
                FieldType::Choice | FieldType::Choices => field.choices.iter().map(|one| one.code.as_str()).collect(),
                FieldType::YesNo => vec!["true", "false"],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        if codes.is_empty() && !column.codes.is_empty() {
            return Err(format!("{} has no codes", column.from));
        }
        match column.codes.keys().find(|code| !codes.contains(&code.as_str())) {
            Some(code) => Err(format!("{} has no code {code}", column.from)),
            None => Ok(Self { header: column.header.clone(), from, codes: column.codes.clone() }),
        }
    }

    fn cell(&self, line: &Line, told: &Telling<'_>, unknown: &mut Unknown) -> String {
        let gone = line.status == Status::Gone;
        let areas = || view::areas(&line.open).into_iter().filter(|_| !gone);
        match &self.from {
            Source::Id => line.id.to_string(),
            Source::Status => self.coded(line.status.code(), unknown),
            Source::Area => areas().map(|id| told.area(id)).collect::<Vec<_>>().join("、"),
            Source::AreaCode => {
                let code = |id| told.areas.get(id).map(|area| area.code.as_str()).unwrap_or_default();
                areas().map(code).collect::<Vec<_>>().join("、")
            }
            Source::Updated => {
                let at = updated(line).filter(|_| !gone);
                at.map(|at| show::beijing(at).format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
            }
            Source::Field(_) if gone => String::new(),
            Source::Field(field) if self.codes.is_empty() => show::field(field, &line.open, told),
            Source::Field(field) => {
                let codes: Vec<String> = raw(field, &line.open).iter().map(|code| self.coded(code, unknown)).collect();
                codes.join(",")
            }
        }
    }

    fn coded(&self, code: &str, unknown: &mut Unknown) -> String {
        match self.codes.get(code) {
            Some(theirs) => theirs.clone(),
            None if self.codes.is_empty() => code.to_owned(),
            None => {
                unknown.insert((self.header.clone(), code.to_owned()));
                String::new()
            }
        }
    }
}

/// The codes of a choice, of choices, or of yes and no, as stored.
fn raw(field: &Field, part: &PartState) -> Vec<String> {
    match field.policy() {
        Policy::One | Policy::Latest => {
            let shown = view::shown(part, &field.name, field.policy()).map(|value| value.plain());
            shown.into_iter().filter(|code| !code.is_empty()).collect()
        }
        Policy::Many => view::many(part, &field.name).into_iter().map(|(code, _)| code.to_owned()).collect(),
        Policy::Log => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let forms = Forms::parse(assets::FORMS.iter().copied()).unwrap();
        Profile::parse(&forms, "ours", text).unwrap_err().to_string()
    }

    #[test]
    fn every_shipped_profile_fits_the_forms_and_has_a_code_for_every_choice() {
        let forms = Forms::parse(assets::FORMS.iter().copied()).unwrap();
        for (name, text) in assets::EXPORTS {
            let profile = Profile::parse(&forms, name, text).unwrap_or_else(|error| panic!("{error}"));
            for column in profile.columns.iter().filter(|column| !column.codes.is_empty()) {
                let Source::Field(field) = &column.from else { continue };
                for choice in &field.choices {
                    assert!(column.codes.contains_key(&choice.code), "{name} {}: {}", column.header, choice.code);
                }
            }
        }
    }

    #[test]
    fn a_profile_that_does_not_fit_says_which_column_and_why() {
        let head = "kind = \"person\"\nlabel = { zh = \"人\", en = \"People\" }\n";
        let with = |rest: &str| said(&format!("{head}{rest}"));
        let column = |rest: &str| with(&format!("file = \"a.csv\"\n[[column]]\nheader = \"XM\"\n{rest}"));
        assert_eq!(column("from = \"nmae\""), "the profile ours: the column XM: the form has no field nmae");
        assert!(column("from = \"care_reason\"").ends_with("care_reason is restricted, and stays here"));
        assert!(column("from = \"name\"\ncodes = { a = \"1\" }").ends_with("name has no codes"));
        assert!(column("from = \"sex\"\ncodes = { man = \"1\" }").ends_with("sex has no code man"));
        assert!(column("from = \"name\"\n[[column]]\nheader = \"XM\"\nfrom = \"@id\"").ends_with("XM is there twice"));
        assert!(with("column = []\nfile = \"a.csv\"").ends_with("it has no columns"));
        assert!(with("column = []\nfile = \"a.txt\"").ends_with("not a.txt"));
        assert!(with("column = []\nfile = \"../a.csv\"").ends_with("is no name of a file"));
        assert!(with("column = []\nfile = \"a.csv\"\nencoding = \"gbk\"").ends_with("not gbk"));
        assert!(with("file = \"a.csv\"").contains("cannot be read"));
    }
}
