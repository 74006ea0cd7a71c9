//! Forms as data: one TOML file a kind under `assets/forms/`, with a version. Entry screens, validation, search, export
//! columns and the console all read it. A field's type and policy never change; a new meaning is a new field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Part, RecordKind};
use crate::view::Policy;

pub mod compare;

/// A text in the two languages of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Chinese, simplified.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Label {
    /// The text in `lang` (`zh-CN` or `en`; anything else reads Chinese).
    pub fn in_lang(&self, lang: &str) -> &str {
        if lang.starts_with("en") { &self.en } else { &self.zh }
    }
}

/// One version of the form of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// What it is the form of.
    pub kind: RecordKind,
    /// From 1, without gaps.
    pub version: u32,
    /// Its name: 人, 地, …
    pub label: Label,
    /// The field that names a record in lists (姓名, 名称, 标题).
    pub title: String,
    /// In the order of the screen.
    #[serde(rename = "section")]
    pub sections: Vec<Section>,
}

/// A short part of a form under one heading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its heading.
    pub label: Label,
    /// When it is shown: of each of its fields that says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// In the order of the screen.
    #[serde(rename = "field")]
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name from the screen to the SQL column: the first segment of its paths.
    pub name: String,
    /// As shown beside it.
    pub label: Label,
    /// One sentence below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Label>,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// How it merges; by default [`FieldType::usual_policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Whether it belongs to the restricted part.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restricted: bool,
    /// Whether a record cannot be saved without it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// What can be chosen (`choice`, `choices`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The kind a link goes to (`link`, `links`, `link_or_text`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<RecordKind>,
    /// How it is masked where it is not being edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskKind>,
    /// When it is shown: the field named has one of these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// Whether search finds the record by it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub search: bool,
    /// The most characters of a text; 200 for `text` and 20,000 for `long_text` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The smallest and largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// The value a new record begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Whether a new record is offered what the one saved before it had here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeat: bool,
    /// Whether it says when something was (dates and times): one that is still to come is asked about.
    #[serde(default, skip_serializing_if = "is_false")]
    pub past: bool,
    /// Whether people type it (`false`: written by the app, such as `area`, `steps`, `duplicates`).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub entry: bool,
}

fn is_yes(entry: &bool) -> bool {
    *entry
}

fn yes() -> bool {
    true
}

/// What a field holds, and so how it is written in an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One line. JSON text.
    Text,
    /// Several lines. JSON text.
    LongText,
    /// JSON number.
    Number,
    /// `"2026-11-23"`.
    Date,
    /// Milliseconds since 1970 UTC, JSON number.
    Time,
    /// JSON true or false.
    YesNo,
    /// One of the choices: its code as JSON text.
    Choice,
    /// Any of the choices: one path an element, value `true`.
    Choices,
    /// Mobile or other telephone number. JSON text.
    Phone,
    /// 证件号码 of the kind that `id_type` says. JSON text.
    IdNumber,
    /// 统一社会信用代码. JSON text.
    CreditCode,
    /// A record id. JSON text.
    Link,
    /// A record id, or a text where there is no record: `{"id": …}` or `{"text": …}`.
    LinkOrText,
    /// Any number of records: one path an element (the record id), value `true` or particulars.
    Links,
    /// WGS-84: `{"lat": …, "lon": …, "accuracy": metres, "at": ms}`.
    Position,
    /// One path an element (SHA-256), value [`PhotoParticulars`].
    Photos,
    /// The id of an area, JSON number. Decides access.
    Area,
    /// A log whose entries are workflow steps, `workflow::StepEntry`.
    Steps,
    /// A log whose entries are remarks: JSON text.
    Remarks,
}

impl FieldType {
    /// The policy of a field that names none.
    pub fn usual_policy(self) -> Policy {
        match self {
            Self::Choices | Self::Links | Self::Photos => Policy::Many,
            Self::Position => Policy::Latest,
            Self::Steps | Self::Remarks => Policy::Log,
            _ => Policy::One,
        }
    }
}

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// As stored. Never changes its meaning.
    pub code: String,
    /// As shown.
    pub zh: String,
    /// As shown in English.
    pub en: String,
    /// Not offered any more: what was chosen before keeps its label.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retired: bool,
}

fn is_false(it: &bool) -> bool {
    !it
}

/// How a value is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskKind {
    /// `6***************34`
    IdNumber,
    /// `139****5678`
    Phone,
    /// An age in years instead of a date.
    BirthDate,
}

/// When a field is shown: with certain values of another one, or with all but certain values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The field it depends on.
    pub field: String,
    /// The values of it with which this one is shown (codes; of a yes/no field `true` or `false`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<String>,
    /// The values of it with which this one is not shown; where there are any, it is shown with every other and with
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<String>,
}

/// What is known of a photo beside its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotoParticulars {
    /// SHA-256 of the thumbnail.
    pub thumbnail: crate::ids::PhotoHash,
    /// Bytes of the photo.
    pub bytes: u64,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// When the shutter went, milliseconds since 1970 UTC.
    pub at: i64,
    /// Where, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A position: WGS-84, never GCJ-02.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Metres (68 % radius as the receiver says).
    pub accuracy: f64,
    /// When it was fixed, milliseconds since 1970 UTC.
    pub at: i64,
}

/// Why a file is no form.
#[derive(Debug, thiserror::Error)]
pub enum BadForm {
    /// Not TOML of the shape of [`Form`].
    #[error("the form cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// Two fields of one name.
    #[error("the form {0:?} has the field {1} twice")]
    FieldTwice(RecordKind, String),
    /// The title, a condition or a link names what is not there.
    #[error("the form {0:?} names {1}, which it does not have")]
    NoSuchField(RecordKind, String),
    /// Two files of one kind and version.
    #[error("there are two forms {0:?} of version {1}")]
    VersionTwice(RecordKind, u32),
    /// A version gives a field another type, policy or part: what is stored would mean something else.
    #[error("version {1} of the form {0:?} changes what {2} holds; a new meaning is a new field")]
    Changed(RecordKind, u32, String),
}

impl Field {
    /// How it merges.
    pub fn policy(&self) -> Policy {
        self.policy.unwrap_or_else(|| self.kind.usual_policy())
    }

    /// The part it belongs to.
    pub fn part(&self) -> Part {
        if self.restricted { Part::Restricted } else { Part::Open }
    }

    /// What can be chosen now, and what is `chosen` already though it is offered no more.
    pub fn offered<'a>(&'a self, chosen: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a Choice> {
        self.choices.iter().filter(move |choice| !choice.retired || chosen(&choice.code))
    }

    /// The label of a choice's code, or the code itself where this version does not know it.
    pub fn choice_label<'a>(&'a self, code: &'a str, lang: &str) -> &'a str {
        match self.choices.iter().find(|choice| choice.code == code) {
            Some(choice) if lang.starts_with("en") => &choice.en,
            Some(choice) => &choice.zh,
            None => code,
        }
    }
}

impl Form {
    /// Reads a form file and checks that it holds together.
    pub fn parse(text: &str) -> Result<Self, BadForm> {
        let mut form: Self = toml::from_str(text)?;
        for section in &mut form.sections {
            for field in &mut section.fields {
                field.when = field.when.take().or_else(|| section.when.clone());
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for field in form.fields() {
            if !names.insert(field.name.as_str()) {
                return Err(BadForm::FieldTwice(form.kind, field.name.clone()));
            }
        }
        let named = form.fields().filter_map(|field| field.when.as_ref()).map(|when| when.field.as_str());
        if let Some(missing) = named.chain([form.title.as_str()]).find(|name| !names.contains(name)) {
            return Err(BadForm::NoSuchField(form.kind, missing.to_owned()));
        }
        Ok(form)
    }

    /// The form as a file, which [`Self::parse`] reads.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Every field, in the order of the screen.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.sections.iter().flat_map(|section| &section.fields)
    }

    /// The field of a name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().find(|field| field.name == name)
    }
}

/// Every form known, all versions.
#[derive(Debug, Clone, Default)]
pub struct Forms(BTreeMap<RecordKind, BTreeMap<u32, Form>>);

impl Forms {
    /// Reads form files; see `assets::FORMS`.
    pub fn parse<'a>(files: impl IntoIterator<Item = &'a str>) -> Result<Self, BadForm> {
        let mut forms = Self::default();
        for file in files {
            let form = Form::parse(file)?;
            let (kind, version) = (form.kind, form.version);
            if forms.0.entry(kind).or_default().insert(version, form).is_some() {
                return Err(BadForm::VersionTwice(kind, version));
            }
        }
        forms.hold_together()?;
        Ok(forms)
    }

    /// These and one more; an error where it does not go with them.
    pub fn with(&self, form: Form) -> Result<Self, BadForm> {
        let mut forms = self.clone();
        let (kind, version) = (form.kind, form.version);
        if forms.0.entry(kind).or_default().insert(version, form).is_some() {
            return Err(BadForm::VersionTwice(kind, version));
        }
        forms.hold_together()?;
        Ok(forms)
    }

    fn hold_together(&self) -> Result<(), BadForm> {
        for (kind, versions) in &self.0 {
            let mut known: BTreeMap<&str, &Field> = BTreeMap::new();
            for (version, field) in versions.values().flat_map(|form| form.fields().map(|field| (form.version, field)))
            {
                let first = *known.entry(&field.name).or_insert(field);
                let kept =
                    (first.kind, first.policy(), first.restricted) == (field.kind, field.policy(), field.restricted);
                if !kept {
                    return Err(BadForm::Changed(*kind, version, field.name.clone()));
                }
            }
        }
        Ok(())
    }

    /// The form an edit names.
    pub fn get(&self, kind: RecordKind, version: u32) -> Option<&Form> {
        self.0.get(&kind)?.get(&version)
    }

    /// The newest version of a kind's form.
    pub fn newest(&self, kind: RecordKind) -> Option<&Form> {
        self.0.get(&kind)?.values().next_back()
    }
}
