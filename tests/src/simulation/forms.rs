//! Old and new versions of a form beside each other: the person's form as it comes, and a second version made here.

use std::sync::Arc;

use anyhow::Result;
use app::store::Rules;
use shared::calendar::Calendar;
use shared::form::Forms;

/// Which versions of the person's form a program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Only the one that comes with this version.
    Old,
    /// That and a newer one.
    Both,
}

/// The field that the newer version adds.
pub const NEW_FIELD: &str = "nickname";

fn newer() -> String {
    let begin = "label = { zh = \"基本\", en = \"Basics\" }\n";
    let field = format!(
        "{begin}\n[[section.field]]\nname = \"{NEW_FIELD}\"\nlabel = {{ zh = \"别名\", en = \"Also called\" }}\n\
         type = \"text\"\nmax = 20\n"
    );
    let old = assets::FORMS.iter().find(|text| text.contains("kind = \"person\"")).copied().unwrap_or_default();
    old.replacen("version = 1", "version = 2", 1).replacen(begin, &field, 1)
}

impl Edition {
    /// The forms a server of this edition knows.
    pub fn forms(self) -> Result<Forms> {
        let newer = newer();
        let mut files: Vec<&str> = assets::FORMS.to_vec();
        if self == Self::Both {
            files.push(&newer);
        }
        Ok(Forms::parse(files)?)
    }

    /// The rules of an app of this edition, made once.
    pub fn rules(self) -> Result<Rules> {
        static MADE: [std::sync::Mutex<Option<Rules>>; 2] = [std::sync::Mutex::new(None), std::sync::Mutex::new(None)];
        let [old, both] = &MADE;
        let place = if self == Self::Old { old } else { both };
        let mut made = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(rules) = made.as_ref() {
            return Ok(rules.clone());
        }
        let rules = Rules::new(self.forms()?, Calendar::parse(assets::CALENDAR)?);
        *made = Some(rules.clone());
        Ok(rules)
    }

    /// The forms of a server of this edition, made once.
    pub fn shared_forms(self) -> Result<Arc<Forms>> {
        Ok(Arc::clone(&self.rules()?.forms))
    }
}
