//! Validation that reports every problem: of an edit as the server judges it, of a draft as the handheld shows it.

use std::collections::BTreeMap;

use crate::edit::Edit;
use crate::form::Form;
use crate::path::Path;
use crate::record::Part;
use crate::value::Value;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 待核实: saved and marked.
    Unverified,
    /// 要改: not saved, not applied.
    Refused,
}

/// Something wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// How bad.
    pub severity: Severity,
    /// A message key of `common.ftl`.
    pub code: &'static str,
    /// Arguments of the message, by name. Lengths and bounds only, never the value.
    pub args: Vec<(&'static str, String)>,
}

/// Everything wrong with an edit by the form version it names.
pub fn edit(form: &Form, edit: &Edit) -> Vec<Problem> {
    let _ = (form, edit);
    Vec::new()
}

/// Everything wrong with `part` of a draft, given what would be shown after saving it (absent or null: not filled in).
pub fn draft(form: &Form, part: Part, shown: &BTreeMap<Path, Value>) -> Vec<Problem> {
    let _ = (form, part, shown);
    Vec::new()
}
