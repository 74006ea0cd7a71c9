//! Leaving: what the centre tells to erase, and a terminal that is handed in.

use std::time::Duration;

use shared::ids::UserId;

use super::SyncError;
use super::session::{Inner, Session};
use super::types::Message;
use crate::store::StoreError;
use crate::sync::{Client, Refused};

/// Answers without a body.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The server's code for: erase everything.
const WIPE: &str = "token_wipe";

impl Inner {
    /// What an exchange was refused with, or what it brought: erases where the centre says so. Says whether it did.
    pub(super) async fn obey(
        &self,
        session: &Session,
        client: &Client,
        refused: Option<&Refused>,
    ) -> Result<bool, StoreError> {
        let stolen = refused.is_some_and(|refused| refused.status == 401 && refused.code == WIPE);
        let me = session.setup().user.id;
        if stolen {
            // Of everybody: it is not in the hands of any of them. The one who is in last, whose credential says so.
            for user in self.users().into_iter().filter(|user| *user != me) {
                self.erase_user(user)?;
            }
        } else if !(refused.is_none() && session.store.is_to_be_wiped()? && session.lights(0)?.delivered) {
            return Ok(false);
        }
        self.erase_user(me)?;
        // Told after it is done. Should it not arrive, the list of terminals goes on to say that it is waited for.
        if let Err(refused) = client.post("/api/v1/wiped", &(), TIMEOUT).await {
            tracing::warn!(detail = %refused.detail, "the centre does not know that this handheld was wiped");
        }
        self.tell(Message::of("sync-wiped"));
        Ok(true)
    }

    /// Hands the terminal in: refused unless 可以交机 is lit; then the enrolment ends and the user's data are erased.
    pub(super) async fn hand_over(&self) -> Result<(), SyncError> {
        let syncing = self.syncing.lock().await;
        let session = self.session()?;
        if !session.lights(0)?.safe_to_hand_in {
            return Err(self.said(Refused::of("hand-over-not-safe", "not everything is in a backup", true), None));
        }
        let client = self.client(&session).map_err(|refused| self.said(refused, None))?;
        client.post("/api/v1/handed-over", &(), TIMEOUT).await.map_err(|mut refused| {
            if refused.status == 409 {
                refused.message = Message::of("hand-over-not-safe");
            }
            self.said(refused, None)
        })?;
        // Somebody may have saved while the server was asked: that stays here and goes on with a new code.
        if !session.lights(0)?.delivered {
            return Err(self.said(Refused::of("sync-revoked", "saved while it was handed in", false), None));
        }
        self.erase_user(session.setup().user.id)?;
        self.tell(Message::of("hand-over-done"));
        drop(syncing);
        Ok(())
    }

    /// Erases a user from this handheld: the keys first, without which the rest says nothing; then the rest.
    fn erase_user(&self, user: UserId) -> Result<(), StoreError> {
        if self.session().is_ok_and(|session| session.setup().user.id == user) {
            self.begin(None);
        }
        self.doorstep().take_if(|step| step.user == user);
        self.lock_of(user).destroy()?;
        let path = self.paths().user(user);
        disk::remove_dir_all(&path).map_err(|source| StoreError::File { what: "erasing", path, source })?;
        if self.settings().user == Some(user) {
            self.set_settings(|settings| settings.user = None)?;
        }
        Ok(())
    }
}
