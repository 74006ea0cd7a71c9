//! Copies of handhelds and of the centre's data, and what a handheld does when it is in doubt.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Response;
use shared::edit::Edit;
use shared::ids::{Dot, EditId};
use shared::limits::PROTOCOL;
use shared::outside::Outside;
use shared::vector::VectorTimestamp;
use shared::wire::{KeptEdit, SlotAnswer, SlotRequest};
use tempfile::TempDir;

use super::{Centre, Handheld, postgres};

impl Centre {
    /// The data as they stand now: what somebody may put back tomorrow.
    pub fn copy(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        if !postgres::copy(self.folder.path(), folder.path()).unwrap() {
            self.app.store.snapshot(&folder.path().join("town.db")).unwrap();
        }
        std::fs::copy(self.folder.path().join("server.key"), folder.path().join("server.key")).unwrap();
        folder
    }

    /// The centre after a copy of its data was put back by hand.
    pub async fn put_back(&self, copy: TempDir) -> Self {
        Self::over(copy, self.clock.clone(), |_| {}).await
    }
}

impl<'a> Handheld<'a> {
    /// All it holds, as a backup of its files or another handheld made of them has it.
    pub fn copy(&self) -> Self {
        Self {
            centre: self.centre,
            author: self.author.clone(),
            token: self.token.clone(),
            slot: self.slot,
            n: self.n,
            cursor: self.cursor.clone(),
            setup: self.setup.clone(),
            confirmed: self.confirmed.clone(),
            enrolled: self.enrolled.clone(),
        }
    }

    /// The same handheld, which meets the centre as it was put back.
    pub fn at<'b>(self, centre: &'b Centre) -> Handheld<'b> {
        let Self { author, token, slot, n, cursor, setup, confirmed, enrolled, .. } = self;
        Handheld { centre, author, token, slot, n, cursor, setup, confirmed, enrolled }
    }

    /// A question about the slot.
    pub fn question(&self, restored: bool, kept: &[Edit]) -> SlotRequest {
        let kept = kept
            .iter()
            .map(|edit| KeptEdit { id: edit.id, dot: edit.dot, sure: false, unseen: false, once: vec![] })
            .collect();
        let (key, epoch) = (self.centre.clock.uuid(), self.enrolled.epoch);
        SlotRequest {
            protocol: PROTOCOL,
            key,
            restored,
            moving: false,
            epoch,
            last: self.n,
            kept,
            over: vec![],
            lease: false,
        }
    }

    /// What goes on under a slot of its own because its files were put back.
    pub async fn part(mut self) -> Self {
        let fork = self.ask(&self.question(true, &[])).await.fork.expect("a slot of its own");
        (self.token, self.slot, self.n, self.cursor) = (fork.token, fork.slot, 0, None);
        self
    }

    pub async fn try_ask(&self, question: &SlotRequest) -> Response {
        let body = serde_json::to_vec(question).unwrap();
        self.centre.post("/api/v1/slot", Some(&self.token), body, &[]).await
    }

    pub async fn ask(&self, question: &SlotRequest) -> SlotAnswer {
        let response = self.try_ask(question).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Becomes the writer it was given. What waits and the server has not gets new dots, own dots in contexts follow.
    pub fn adopt(&mut self, answer: &SlotAnswer, waiting: Vec<Edit>) -> Vec<Edit> {
        let fork = answer.fork.as_ref().expect("a slot of its own");
        let known: BTreeSet<EditId> = answer.receipts.iter().map(|receipt| receipt.edit).collect();
        let old = self.slot;
        let first = waiting.iter().find(|edit| !known.contains(&edit.id)).map_or(u64::MAX, |edit| edit.dot.n);
        let mut renumbered: BTreeMap<u64, u64> = BTreeMap::new();
        let mut left = Vec::new();
        for mut edit in waiting.into_iter().filter(|edit| !known.contains(&edit.id)) {
            let n = u64::try_from(left.len()).unwrap() + 1;
            let mut context = VectorTimestamp::new();
            for dot in edit.context.iter() {
                if dot.slot != old || dot.n < first {
                    context.observe(dot);
                    continue;
                }
                context.observe(Dot { slot: old, n: first - 1 });
                if let Some((_, n)) = renumbered.range(..=dot.n).next_back() {
                    context.observe(Dot { slot: fork.slot, n: *n });
                }
            }
            renumbered.insert(edit.dot.n, n);
            edit.context = context;
            edit.dot = Dot { slot: fork.slot, n };
            left.push(edit);
        }
        self.token.clone_from(&fork.token);
        self.slot = fork.slot;
        self.n = u64::try_from(left.len()).unwrap();
        left
    }
}
