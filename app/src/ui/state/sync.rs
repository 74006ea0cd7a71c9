//! The sync as it moves, what waits and what came back.

use std::collections::BTreeMap;

use dioxus::prelude::*;
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::value::Value;

use super::State;
use crate::handheld::{
    Estimate, Lights, Message, OutboxCounts, OutboxItem, SaveError, Saved, SyncError, TrayItem, Update,
};
use crate::store::{Checked, Exported};
use crate::sync::{Phase, SyncProgress};

/// Said of an attempt that reached nobody.
const UNREACHED: [&str; 3] = ["sync-unreachable", "sync-slow", "sync-offline"];

/// What came of an export, and where it is.
fn exported(done: &Exported) -> Message {
    Message::of("app-exported")
        .with("edits", done.edits)
        .with("photos", done.photos)
        .with("lost", done.lost)
        .with("path", done.path.display())
}

impl State {
    /// The sync as it moves.
    pub fn progress(&self) -> SyncProgress {
        self.progress.read().clone()
    }

    /// Whether there is no network: it is switched off, or the last attempt reached nobody.
    pub fn is_offline(&self) -> bool {
        let progress = self.progress.read();
        let unreached = |said: &Message| UNREACHED.contains(&said.key.as_str());
        self.handheld.is_offline()
            || (progress.phase == Phase::Waiting && progress.problem.as_ref().is_some_and(unreached))
    }

    /// Syncs until nothing is left, or says why not.
    pub async fn sync_now(&self) -> Result<(), SyncError> {
        let done = self.handheld.sync_now().await;
        self.touched();
        done
    }

    /// Why nobody is in any more: the terminal was handed in, or erased on the centre's word.
    pub fn farewell(&self) -> Option<Message> {
        let said = self.handheld.notices().pop()?;
        matches!(said.key.as_str(), "sync-wiped" | "hand-over-done").then_some(said)
    }

    /// Hands the terminal in, see [`Handheld::hand_over`].
    pub async fn hand_over(&self) -> Result<(), SyncError> {
        let done = self.handheld.hand_over().await;
        self.touched();
        done
    }

    /// Syncs and compares all that is held with the centre.
    pub async fn check_data(&self) -> Result<(), SyncError> {
        let done = self.handheld.check_data().await;
        self.touched();
        done
    }

    /// What the last comparison gave, and how many records this version cannot read.
    pub fn checked(&self) -> (Checked, u64) {
        self.read(self.handheld.checked())
    }

    /// Writes what is not delivered into a file and says where it is.
    pub async fn export_outbox(&self) -> Message {
        let handheld = self.handheld.clone();
        let work = tokio::task::spawn_blocking(move || {
            let done = handheld.export_outbox(&handheld.export_path());
            if let Ok(done) = &done {
                handheld.share(&done.path, "application/octet-stream");
            }
            done
        });
        match work.await {
            Ok(Ok(done)) => exported(&done),
            Ok(Err(error)) => error.message(),
            Err(_) => Message::of("export-failed"),
        }
    }

    /// Writes how this handheld is into a file and says where it is.
    pub fn write_diagnostics(&self) -> Message {
        match self.handheld.write_diagnostics() {
            Ok(path) => {
                self.handheld.share(&path, "application/json");
                Message::of("app-diagnostics-done").with("path", path.display())
            }
            Err(error) => error.message(),
        }
    }

    /// Photos wait, or go along.
    pub fn set_text_only(&self, text_only: bool) {
        self.read(self.handheld.set_settings(|settings| settings.text_only = text_only));
        self.touched();
        self.handheld.wake();
    }

    /// Photos wait for a line that costs nothing, or go on any.
    pub fn set_wifi_only(&self, wifi_only: bool) {
        self.read(self.handheld.set_settings(|settings| settings.wifi_only = wifi_only));
        self.touched();
        self.handheld.wake();
    }

    /// Whether photos wait for a line that costs nothing.
    pub fn is_wifi_only(&self) -> bool {
        self.follow();
        self.handheld.settings().wifi_only
    }

    /// Whether photos wait.
    pub fn is_text_only(&self) -> bool {
        self.follow();
        self.handheld.settings().text_only
    }

    /// How much is not delivered.
    pub fn counts(&self) -> OutboxCounts {
        self.follow();
        self.read(self.handheld.outbox_counts())
    }

    /// Edits and photos not delivered, as the tab bar shows it.
    pub fn waiting_count(&self) -> u64 {
        let counts = self.counts();
        counts.edits + counts.photos
    }

    /// What is to be delivered, in the order it goes.
    pub fn outbox(&self) -> Vec<OutboxItem> {
        self.read(self.handheld.outbox())
    }

    /// What a sync would carry.
    pub fn estimate(&self) -> Estimate {
        self.read(self.handheld.estimate())
    }

    /// What there is to be updated to.
    pub fn update(&self) -> Option<Update> {
        self.follow();
        self.read(self.handheld.update())
    }

    /// Fetches it and hands it to the system.
    pub async fn install_update(&self) -> Result<Message, SyncError> {
        let done = self.handheld.install_update().await;
        self.touched();
        done
    }

    /// The two lamps.
    pub fn lights(&self) -> Lights {
        self.read(self.handheld.lights())
    }

    /// Edits that came back.
    pub fn tray(&self) -> Vec<TrayItem> {
        self.follow();
        self.read(self.handheld.tray())
    }

    /// Sends a rejected edit again with other values.
    pub fn correct(&self, edit: EditId, writes: BTreeMap<Path, Value>) -> Result<Saved, SaveError> {
        let saved = self.handheld.correct(edit, writes)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Notes that a masked field is to be shown in full; false if that cannot be kept: then it stays masked.
    pub fn note_look(&self, record: RecordId, field: &str) -> bool {
        let noted = self.handheld.note_look(record, field);
        if let Err(error) = &noted {
            tracing::warn!(%error, "a look could not be noted");
        }
        noted.is_ok()
    }

    /// Takes a rejected edit back.
    pub fn withdraw(&self, edit: EditId) -> Result<(), SaveError> {
        self.handheld.withdraw(edit)?;
        self.touched();
        Ok(())
    }
}
