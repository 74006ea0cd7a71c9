//! What a person reported from any phone. Reporters are no records: they are known by what they typed. A report is told of where
//! the telephone is the person's and the name too, or left out; one that bears only one of the two may be a namesake's or a
//! relative's, and is only counted.

use std::collections::BTreeSet;

use shared::path::Path;
use shared::record::Part;
use shared::workflow;

use super::PersonError;
use super::gather::Around;
use super::told::{Reported, Told, time};
use crate::batch::state;
use crate::export::show;
use crate::intake::report::Report;
use crate::store::Reporter;

/// Digits at the end by which numbers are compared: +86 and spaces make none of them another.
const DIGITS: usize = 11;

struct Person {
    names: BTreeSet<String>,
    phones: BTreeSet<String>,
}

enum Fits {
    Surely,
    Perhaps,
    No,
}

impl Person {
    fn fits(&self, reporter: &Reporter) -> Fits {
        let name = self.names.contains(reporter.name.trim());
        let phone = self.phones.contains(&digits(&reporter.phone));
        match (phone, name || reporter.name.trim().is_empty()) {
            (true, true) => Fits::Surely,
            (true, false) => Fits::Perhaps,
            (false, _) if name => Fits::Perhaps,
            _ => Fits::No,
        }
    }
}

fn digits(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    digits.get(digits.len().saturating_sub(DIGITS)..).unwrap_or_default().iter().collect()
}

/// Adds what the person reported.
pub(super) fn reported(around: &Around<'_>, told: &mut Told) -> Result<(), PersonError> {
    let texts = |field: &str| -> BTreeSet<String> {
        let fields = told.records.iter().flat_map(|record| &record.fields).filter(|it| it.path == field);
        fields.flat_map(|it| &it.values).filter_map(|it| it.value.as_text()).filter(|it| !it.is_empty()).collect()
    };
    let phones = texts("phone").iter().map(|phone| digits(phone)).filter(|it| !it.is_empty()).collect();
    let person = Person { names: texts("name"), phones };
    for (record, reporter) in around.read.reporters()? {
        match person.fits(&reporter) {
            Fits::No => continue,
            Fits::Perhaps => told.reported_unsure += 1,
            Fits::Surely => {
                let parts = around.read.load_many(&[(record, Part::Open)])?;
                let Some(open) = parts.first() else { continue };
                let folded = workflow::fold(&state(open)?, &around.in_force.calendar);
                // Staff may have rewritten it since: what the person wrote stands in the first change.
                let edits = around.read.edits_of(record)?;
                let first = edits.first().map(|stored| &stored.edit);
                told.reported.push(Reported {
                    at: first.map(|edit| time(edit.at)).unwrap_or_default(),
                    name: reporter.name,
                    phone: reporter.phone,
                    text: first.and_then(|edit| edit.writes.get(&Path::field("account"))?.as_text()),
                    stage: Some(show::stage_code(folded.stage)),
                });
            }
        }
    }
    let sought: Vec<String> = person.names.iter().chain(&person.phones).cloned().collect();
    for tray in around.read.tray_holding(&sought)? {
        let Ok(report) = serde_json::from_str::<Report>(&tray.body) else { continue };
        match person.fits(&Reporter { name: report.name.clone(), phone: report.phone.clone() }) {
            Fits::No => {}
            Fits::Perhaps => told.reported_unsure += 1,
            Fits::Surely => told.reported.push(Reported {
                at: time(tray.at),
                name: report.name,
                phone: report.phone,
                text: Some(report.text),
                stage: None,
            }),
        }
    }
    told.reported.sort_by(|one, other| one.at.cmp(&other.at));
    Ok(())
}
