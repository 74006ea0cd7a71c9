//! The words of the screen: every text a person reads comes from the Fluent files, by key.

use assets::messages::{FluentValue, Lang, Messages};
use dioxus::prelude::*;
use shared::form::{Field, Label};
use shared::record::RecordKind;

use super::state::State;

/// The messages of the language in use. Cheap to clone; a component that calls [`words`] is drawn anew when the
/// language changes.
#[derive(Clone, PartialEq)]
pub struct Words(Messages);

/// The words in the language of the settings.
pub fn words() -> Words {
    Words(Messages::of(use_context::<State>().settings().lang))
}

impl Words {
    /// The words of one language.
    pub fn of(lang: Lang) -> Self {
        Self(Messages::of(lang))
    }

    /// The language.
    pub fn lang(&self) -> Lang {
        self.0.lang()
    }

    /// The BCP 47 tag, as forms want it.
    pub fn tag(&self) -> &'static str {
        self.0.lang().tag()
    }

    /// The message of `key`.
    pub fn t(&self, key: &str) -> String {
        self.0.text(key)
    }

    /// Whether `key` is a message.
    pub fn has(&self, key: &str) -> bool {
        self.0.has(key)
    }

    /// The message of `key` with arguments.
    pub fn with(&self, key: &str, args: &[(&str, FluentValue<'_>)]) -> String {
        self.0.with(key, args)
    }

    /// The message of `key` with one count `n`.
    pub fn n(&self, key: &str, n: usize) -> String {
        // Counts stay far below 2^53.
        self.with(key, &[("n", FluentValue::from(n as f64))])
    }

    /// The message of `key` with one text.
    pub fn s(&self, key: &str, name: &str, value: &str) -> String {
        self.with(key, &[(name, FluentValue::from(value.to_owned()))])
    }

    /// The message of `key` with several texts.
    pub fn many(&self, key: &str, args: &[(&str, &str)]) -> String {
        let args: Vec<_> = args.iter().map(|(name, value)| (*name, FluentValue::from((*value).to_owned()))).collect();
        self.with(key, &args)
    }

    /// A label of a form file.
    pub fn label(&self, label: &Label) -> String {
        label.in_lang(self.tag()).to_owned()
    }

    /// What a choice's code is called.
    pub fn choice(&self, field: &Field, code: &str) -> String {
        field.choice_label(code, self.tag()).to_owned()
    }

    /// What a kind of record is called: 人, 地, …
    pub fn kind(&self, kind: RecordKind) -> String {
        self.t(&format!("kind-{}", kind.code()))
    }
}

/// A message of the handheld in words.
pub fn message(words: &Words, message: &crate::handheld::Message) -> String {
    message.text(&words.0)
}
