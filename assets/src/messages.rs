//! The words of the interface: Fluent files under `messages/`, zh-CN and en, shared by app and console.
//!
//! Fluent (Project Fluent 1.0) because plurals and word order differ, and translators can read the files.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

pub use fluent_bundle::FluentValue;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

/// The languages of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// 简体中文
    #[default]
    Zh,
    /// English
    En,
}

impl Lang {
    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// From a tag or an `Accept-Language` header: whichever of zh and en comes first, Chinese if neither does.
    pub fn from_tag(tag: &str) -> Self {
        tag.split(',')
            .find_map(|range| match range.trim().get(..2) {
                Some("en") => Some(Self::En),
                Some("zh") => Some(Self::Zh),
                _ => None,
            })
            .unwrap_or_default()
    }
}

/// The Fluent files of one language, by name.
pub const FILES: [(Lang, &[(&str, &str)]); 2] = [
    (
        Lang::Zh,
        &[
            ("common.ftl", include_str!("../messages/zh-CN/common.ftl")),
            ("errors.ftl", include_str!("../messages/zh-CN/errors.ftl")),
            ("app.ftl", include_str!("../messages/zh-CN/app.ftl")),
            ("handheld.ftl", include_str!("../messages/zh-CN/handheld.ftl")),
            ("console.ftl", include_str!("../messages/zh-CN/console.ftl")),
            ("keep.ftl", include_str!("../messages/zh-CN/keep.ftl")),
            ("intake.ftl", include_str!("../messages/zh-CN/intake.ftl")),
            ("login.ftl", include_str!("../messages/zh-CN/login.ftl")),
            ("person.ftl", include_str!("../messages/zh-CN/person.ftl")),
            ("desk.ftl", include_str!("../messages/zh-CN/desk.ftl")),
            ("admin.ftl", include_str!("../messages/zh-CN/admin.ftl")),
            ("import.ftl", include_str!("../messages/zh-CN/import.ftl")),
        ],
    ),
    (
        Lang::En,
        &[
            ("common.ftl", include_str!("../messages/en/common.ftl")),
            ("errors.ftl", include_str!("../messages/en/errors.ftl")),
            ("app.ftl", include_str!("../messages/en/app.ftl")),
            ("handheld.ftl", include_str!("../messages/en/handheld.ftl")),
            ("console.ftl", include_str!("../messages/en/console.ftl")),
            ("keep.ftl", include_str!("../messages/en/keep.ftl")),
            ("intake.ftl", include_str!("../messages/en/intake.ftl")),
            ("login.ftl", include_str!("../messages/en/login.ftl")),
            ("person.ftl", include_str!("../messages/en/person.ftl")),
            ("desk.ftl", include_str!("../messages/en/desk.ftl")),
            ("admin.ftl", include_str!("../messages/en/admin.ftl")),
            ("import.ftl", include_str!("../messages/en/import.ftl")),
        ],
    ),
];

/// The messages of one language. Cheap to clone.
#[derive(Clone)]
pub struct Messages {
    lang: Lang,
    bundle: Arc<FluentBundle<FluentResource>>,
}

impl PartialEq for Messages {
    fn eq(&self, other: &Self) -> bool {
        self.lang == other.lang
    }
}

impl Messages {
    /// The messages of `lang`, read once.
    pub fn of(lang: Lang) -> Self {
        static ZH: OnceLock<Messages> = OnceLock::new();
        static EN: OnceLock<Messages> = OnceLock::new();
        let cell = match lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        };
        cell.get_or_init(|| Self::read(lang)).clone()
    }

    fn read(lang: Lang) -> Self {
        let tag: LanguageIdentifier = lang.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // No isolation marks: they show as boxes on old web views, and both languages run left to right.
        bundle.set_use_isolating(false);
        for (_, text) in FILES.iter().filter(|(of, _)| *of == lang).flat_map(|(_, files)| *files) {
            // A broken line loses that message only; the test of the message files finds it.
            let resource = FluentResource::try_new((*text).to_owned()).unwrap_or_else(|(read, _)| read);
            bundle.add_resource_overriding(resource);
        }
        Self { lang, bundle: Arc::new(bundle) }
    }

    /// The language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Whether there is a message of this key.
    pub fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }

    /// The message of `key`; the key itself where there is none.
    pub fn text(&self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The message of `key` with arguments.
    pub fn with(&self, key: &str, args: &[(&str, FluentValue<'_>)]) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let args: FluentArgs<'_> = args.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect();
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn keys(text: &str) -> impl Iterator<Item = &str> {
        let lines = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
        lines.filter_map(|line| line.split_once('=').map(|(key, _)| key.trim()))
    }

    #[test]
    fn a_key_says_one_thing() {
        for (lang, files) in FILES {
            let mut seen = BTreeMap::new();
            for (name, text) in files {
                for key in keys(text) {
                    let before = seen.insert(key, name);
                    assert_eq!(before, None, "{key} of {name} ({}) stands there already", lang.tag());
                }
            }
        }
    }

    #[test]
    fn both_languages_say_the_same_things_and_every_line_reads() {
        let [(_, zh), (_, en)] = FILES;
        for ((name, zh), (_, en)) in zh.iter().zip(en) {
            let set = |text| keys(text).collect::<BTreeSet<_>>();
            assert_eq!(set(zh), set(en), "the keys of {name} differ between zh-CN and en");
            for text in [zh, en] {
                if let Err((_, errors)) = FluentResource::try_new((*text).to_owned()) {
                    panic!("{name}: {errors:?}");
                }
            }
        }
    }
}
