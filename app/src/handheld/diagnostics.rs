//! The file that says how a handheld is, for whoever is asked why it does not sync: figures and codes, no word of any record,
//! no name, no number of anybody.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use serde::Serialize;
use shared::record::RecordKind;

use super::session::Inner;
use super::{Handheld, Message};
use crate::store::{DATABASE_VERSION, StoreError};

/// What stands in the file.
#[derive(Debug, Serialize)]
struct Diagnostics {
    app: &'static str,
    system: String,
    web_view: Option<String>,
    /// By the server's clock as last seen.
    at: String,
    /// The server's clock minus the device's, in milliseconds.
    clock_offset: i64,
    /// The enrolment, as the page 终端 has it.
    terminal: Option<String>,
    role: &'static str,
    cleared: bool,
    database_version: i64,
    database_bytes: u64,
    forms: BTreeMap<&'static str, u32>,
    epoch: u32,
    filling: bool,
    last_sync: Option<String>,
    phase: String,
    problem: Option<String>,
    notices: Vec<String>,
    records: BTreeMap<&'static str, u64>,
    to_decide: u64,
    edits_waiting: u64,
    photos_waiting: u64,
    sent_back: u64,
    delivered: bool,
    safe_to_hand_in: bool,
    /// Parts replaced because they differed from the centre's, ever.
    mended: u64,
    /// Records that this version cannot read.
    unread: u64,
    drafts: usize,
    /// Bytes a second of the last uploads; 0: not known.
    speed: u64,
    language: String,
    text_size: u16,
}

impl Handheld {
    /// Writes how this handheld is into a file that anybody may read, and says where it is.
    pub fn write_diagnostics(&self) -> Result<PathBuf, StoreError> {
        let session = self.0.session()?;
        let (meta, counts, today) = (session.store.meta()?, self.outbox_counts()?, self.today()?);
        let (lights, (checked, unread)) = (self.lights()?, self.checked()?);
        let (setup, settings) = (session.setup(), self.settings());
        let progress = self.progress().borrow().clone();
        let key = |said: &Message| said.key.clone();
        let said = Diagnostics {
            app: env!("CARGO_PKG_VERSION"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            web_view: self.0.web_view(),
            at: self.now().to_rfc3339(),
            clock_offset: meta.clock_offset,
            terminal: meta.device.map(|device| device.to_string()),
            role: setup.user.role.code(),
            cleared: setup.user.cleared,
            database_version: DATABASE_VERSION,
            database_bytes: session.store.bytes()?,
            forms: RecordKind::ALL
                .into_iter()
                .filter_map(|kind| Some((kind.code(), self.form(kind)?.version)))
                .collect(),
            epoch: meta.epoch,
            filling: meta.filling,
            last_sync: progress.last_sync.map(|at| at.to_rfc3339()),
            phase: format!("{:?}", progress.phase).to_lowercase(),
            // The key alone: arguments may name what was typed.
            problem: progress.problem.as_ref().map(key),
            notices: self.notices().iter().map(key).collect(),
            records: today.counts.iter().map(|(kind, count)| (kind.code(), *count)).collect(),
            to_decide: today.conflicts,
            edits_waiting: counts.edits,
            photos_waiting: counts.photos,
            sent_back: counts.tray,
            delivered: lights.delivered,
            safe_to_hand_in: lights.safe_to_hand_in,
            mended: checked.mended,
            unread,
            drafts: self.drafts()?.len(),
            speed: meta.speed,
            language: settings.language,
            text_size: settings.text_size,
        };
        let folder = self.0.paths().root().join("exports");
        let path = folder.join(format!("diagnostics-{}.json", self.0.outside().now().format("%Y%m%dT%H%M%S")));
        let failed = |source| StoreError::File { what: "writing the diagnostics", path: path.clone(), source };
        let text = serde_json::to_vec_pretty(&said)
            .map_err(|error| StoreError::Row { what: "diagnostics", why: error.to_string() })?;
        disk::create_dir_all(&folder).map_err(failed)?;
        disk::replace(&path, &text).map_err(failed)?;
        Ok(path)
    }
}

impl Inner {
    /// Only the version of the web view is kept: Android's names itself `Chrome/`; what another one says is nobody's concern.
    pub(super) fn shown_by(&self, user_agent: &str) {
        let version = user_agent.split_once("Chrome/").map(|(_, after)| {
            let version = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.');
            version.take(40).collect::<String>()
        });
        let version = version.filter(|version| !version.is_empty());
        *self.web_view.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::testing::{Replay, Server, change, enrolled, resident};

    #[test]
    fn the_diagnostics_say_how_it_is_and_nothing_of_anybody() {
        let (server, outside): (Arc<Server>, _) = (Arc::default(), Replay::new(31));
        let folder = tempfile::tempdir().unwrap();
        let alice = enrolled(folder.path(), &server, &outside);
        let record =
            resident(&alice, &[("name", "\"张伟\""), ("phone", "\"13912345678\""), ("address", "\"青禾路 9 号\"")]);
        alice.save(change(&alice, record, &[("note", "\"灯坏了\"")]), None).unwrap();
        alice.save_draft("person-x", "{\"name\": \"王秀英\"}").unwrap();
        let path = alice.write_diagnostics().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&said["edits_waiting"], &said["records"]["person"], &said["drafts"]),
            (&2.into(), &1.into(), &1.into())
        );
        assert_eq!(said["delivered"], false);
        for personal in ["张伟", "13912345678", "青禾", "灯坏", "王秀英", "马兰", &record.to_string(), "person-x"]
        {
            assert!(!text.contains(personal), "{personal} stands in it");
        }
        assert!(!path.to_string_lossy().contains("张"));
    }
}
