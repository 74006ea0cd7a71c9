//! What the pages share, and their only way to a command: every call on the [`Handheld`] is here.
//!
//! Reading happens while a page is drawn (a few milliseconds at most, see the methods of the handheld); a page that
//! calls [`State::follow`] is drawn anew when records changed, by an own save or by a sync.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use assets::messages::Lang;
use chrono::{DateTime, Utc};
use dioxus::prelude::*;
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;
use shared::form::{Form, Position};
use shared::ids::{EditId, PhotoHash, RecordId, UserId};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{HistoryEntry, Setup};

use super::words::Words;
use crate::handheld::{
    CampaignLeft, Candidate, Closed, Closing, Decision, Door, Draft, Estimate, EventQuery, EventRow, Filter, Handheld,
    Hit, Hits, Lights, Message, OpenField, OutboxCounts, OutboxItem, RecordPage, SaveError, Saved, SyncError, TakenIn,
    Today, Told, TrayItem,
};
use crate::store::{Checked, Exported, StoreError};
use crate::sync::{Phase, SyncProgress};

/// Said of an attempt that reached nobody.
const UNREACHED: [&str; 3] = ["sync-unreachable", "sync-slow", "sync-offline"];

/// How often it is looked whether a screen nobody looks at is to be locked.
const AWAY: std::time::Duration = std::time::Duration::from_secs(30);

/// Settings of the screen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Look {
    /// The language.
    pub lang: Lang,
    /// Text size in percent.
    pub text: u16,
    /// Daylight, dark, or as the device says.
    pub theme: Theme,
}

/// Daylight or dark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Theme {
    /// As the device says.
    Auto,
    /// 日间
    Light,
    /// 深色
    Dark,
}

impl Theme {
    /// As the settings keep it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What 查询 remembers while one looks at a record and comes back.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct SearchPlace {
    /// As typed.
    pub query: String,
    /// What is filtered for.
    pub filter: Filter,
    /// The rows drawn.
    pub window: Window,
}

/// What 事件 remembers.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct EventsPlace {
    /// The list and what it is filtered for.
    pub query: EventQuery,
    /// The rows drawn.
    pub window: Window,
}

/// The rows of a long list that are drawn: a list of 72,000 never is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The first, counted from 0.
    pub from: usize,
    /// How many, at most [`Window::MOST`].
    pub rows: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { from: 0, rows: Self::STEP }
    }
}

impl Window {
    /// Rows shown at first and added at each asking.
    pub const STEP: usize = 50;
    /// The most rows drawn: for those added at one end, as many leave at the other.
    pub const MOST: usize = 150;

    /// With the rows that follow.
    pub fn on(&mut self) {
        if self.rows < Self::MOST {
            self.rows += Self::STEP;
        } else {
            self.from += Self::STEP;
        }
    }

    /// With the rows before.
    pub fn back(&mut self) {
        self.from = self.from.saturating_sub(Self::STEP);
        self.rows = Self::MOST;
    }
}

/// The state of one screen. Copies share it.
#[derive(Clone)]
pub struct State {
    handheld: Handheld,
    look: Signal<Look>,
    setup: Signal<Option<Arc<Setup>>>,
    door: Signal<Door>,
    progress: Signal<SyncProgress>,
    changed: Signal<u64>,
    own: Signal<u64>,
    /// What 查询 remembers.
    pub place: Signal<SearchPlace>,
    /// What 事件 remembers.
    pub events_place: Signal<EventsPlace>,
    /// 待核对 cards put off until later, as long as this screen lasts.
    pub later: Signal<BTreeSet<(RecordId, String)>>,
    /// What the last store failure says; shown as a quiet line at the head of the page.
    pub trouble: Signal<Option<Message>>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.look == other.look
    }
}

/// What came of an export, and where it is.
pub fn exported(done: &Exported) -> Message {
    Message::of("app-exported")
        .with("edits", done.edits)
        .with("photos", done.photos)
        .with("lost", done.lost)
        .with("path", done.path.display())
}

impl State {
    /// The state of a screen on `handheld`; to be called in a hook.
    pub fn new(handheld: Handheld) -> Self {
        let progress = handheld.progress().borrow().clone();
        Self {
            look: Signal::new(look_of(&handheld)),
            setup: Signal::new(handheld.setup()),
            door: Signal::new(handheld.door()),
            changed: Signal::new(progress.changed),
            progress: Signal::new(progress),
            own: Signal::new(0),
            place: Signal::new(SearchPlace::default()),
            events_place: Signal::new(EventsPlace::default()),
            later: Signal::new(BTreeSet::new()),
            trouble: Signal::new(handheld.notices().into_iter().next()),
            handheld,
        }
    }

    /// Follows the sync; runs as long as the screen.
    pub async fn watch(mut self) {
        let mut progress = self.handheld.progress();
        // What moved between `new` and here would otherwise never be shown.
        progress.mark_changed();
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update().clone();
            if *self.changed.peek() != now.changed {
                self.changed.set(now.changed);
                let setup = self.handheld.setup();
                if *self.setup.peek() != setup {
                    self.setup.set(setup);
                }
                self.look_at_door();
            }
            self.progress.set(now);
        }
    }

    /// Draws the caller anew whenever records changed.
    pub fn follow(&self) {
        let _: (u64, u64) = (*self.changed.read(), *self.own.read());
    }

    fn touched(&self) {
        let mut own = self.own;
        *own.write() += 1;
    }

    /// The value, or its default with the reason shown.
    fn read<T: Default>(&self, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| {
            tracing::warn!(%error, "the store could not be read");
            let mut trouble = self.trouble;
            let message = error.message();
            // Set only when it is another one: setting it while a page is drawn would draw it for ever.
            if trouble.peek().as_ref() != Some(&message) {
                spawn(async move { trouble.set(Some(message)) });
            }
            T::default()
        })
    }

    // --- who and where ---

    /// Settings of the screen.
    pub fn settings(&self) -> Look {
        *self.look.read()
    }

    /// Changes language, text size or theme, and keeps it.
    pub fn set_look(&self, change: impl FnOnce(&mut Look)) {
        let mut look = self.look;
        let mut next = *look.peek();
        change(&mut next);
        look.set(next);
        self.read(self.handheld.set_settings(|settings| {
            settings.language = next.lang.tag().to_owned();
            settings.text_size = next.text;
            settings.theme = next.theme.code().to_owned();
        }));
    }

    /// The server's address as enrolled.
    pub fn server(&self) -> String {
        self.handheld.settings().server
    }

    /// Who uses the handheld; `None` while nobody is enrolled.
    pub fn setup(&self) -> Option<Arc<Setup>> {
        self.setup.read().clone()
    }

    /// What is shown first: a lock, or the pages.
    pub fn door(&self) -> Door {
        self.door.read().clone()
    }

    fn look_at_door(&self) {
        let (mut door, now) = (self.door, self.handheld.door());
        if *door.peek() == now {
            return;
        }
        if now != Door::Open {
            // Nothing of who was in stays for who comes next.
            let Self { mut place, mut events_place, mut later, .. } = self.clone();
            place.set(SearchPlace::default());
            events_place.set(EventsPlace::default());
            later.set(BTreeSet::new());
        }
        door.set(now);
    }

    /// Enrols with a one-time code and sets the PIN.
    pub async fn enrol(&self, server: &str, code: &str, pin: &str) -> Result<(), SyncError> {
        let done = self.handheld.enrol(server, code, pin).await?;
        let mut setup = self.setup;
        setup.set(Some(done));
        self.look_at_door();
        self.handheld.wake();
        Ok(())
    }

    /// Lets `user` in, away from the thread that draws: a PIN is slow to try.
    pub async fn unlock(&self, user: UserId, pin: String) -> Result<(), Message> {
        self.behind(move |handheld| handheld.unlock(user, &pin)).await?;
        let mut setup = self.setup;
        setup.set(self.handheld.setup());
        self.look_at_door();
        self.handheld.wake();
        Ok(())
    }

    /// Sets another PIN.
    pub async fn set_pin(&self, old: Option<String>, new: String) -> Result<(), Message> {
        self.behind(move |handheld| handheld.set_pin(old.as_deref(), &new)).await?;
        self.look_at_door();
        Ok(())
    }

    async fn behind(
        &self,
        work: impl FnOnce(&Handheld) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), Message> {
        let handheld = self.handheld.clone();
        match tokio::task::spawn_blocking(move || work(&handheld)).await {
            Ok(done) => done.map_err(|error| error.message()),
            Err(_) => Err(Message::of("store-other")),
        }
    }

    /// Locks at once.
    pub fn lock(&self) {
        self.handheld.lock();
        self.look_at_door();
    }

    /// Locks what was left alone for too long; runs as long as the screen.
    pub async fn watch_away(self) {
        let mut seen = document::eval(
            "document.addEventListener('visibilitychange', () => dioxus.send(document.visibilityState === 'hidden'));",
        );
        let mut hidden = false;
        loop {
            let told = if hidden {
                tokio::time::timeout(AWAY, seen.recv::<bool>()).await
            } else {
                Ok(seen.recv::<bool>().await)
            };
            match told {
                Ok(Ok(now)) => hidden = now,
                // The screen is gone.
                Ok(Err(_)) => return,
                Err(_) => {}
            }
            if hidden {
                self.handheld.left();
            } else {
                self.handheld.back();
            }
            self.look_at_door();
        }
    }

    /// The user's id.
    pub fn me(&self) -> Option<UserId> {
        self.setup().map(|setup| setup.user.id)
    }

    /// The user's role.
    pub fn role(&self) -> Option<Role> {
        self.setup().map(|setup| setup.user.role)
    }

    /// Whether the user makes records of a kind.
    pub fn creates(&self, kind: RecordKind) -> bool {
        self.role().is_some_and(|role| role.creates(kind))
    }

    /// Whether the user changes the fields of a record of a kind that lies in these areas.
    pub fn changes(&self, kind: RecordKind, areas: &[AreaId]) -> bool {
        let Some(setup) = self.setup() else { return false };
        let scope = self.handheld.areas().scope(&setup.scope);
        setup.user.role.changes(kind) && areas.iter().any(|area| scope.contains(*area))
    }

    /// Whether the user only reports.
    pub fn is_informant(&self) -> bool {
        self.role() == Some(Role::Informant)
    }

    /// Whether the user may read restricted parts.
    pub fn is_cleared(&self) -> bool {
        self.setup().is_some_and(|setup| setup.user.cleared)
    }

    /// Whether the restricted part of a record cannot be read until the next sync.
    pub fn is_closed(&self, id: RecordId) -> bool {
        self.record(id).is_some_and(|page| page.closed)
    }

    /// The grids a new record can belong to, in order of names as the tree has them.
    pub fn grids(&self) -> Vec<Area> {
        let Some(setup) = self.setup() else { return Vec::new() };
        let areas = self.handheld.areas();
        let scope = areas.scope(&setup.scope);
        let grids: Vec<Area> =
            scope.iter().filter_map(|id| areas.get(id)).filter(|area| area.level == AreaLevel::Grid).cloned().collect();
        if grids.is_empty() { scope.iter().filter_map(|id| areas.get(id)).cloned().collect() } else { grids }
    }

    /// An area with the one above it: 青禾社区 第三网格.
    pub fn area_name(&self, id: AreaId) -> String {
        let areas = self.handheld.areas();
        let Some(area) = areas.get(id) else { return id.to_string() };
        match area.parent.and_then(|parent| areas.get(parent)) {
            Some(above) if area.level == AreaLevel::Grid => format!("{} {}", above.name, area.name),
            _ => area.name.clone(),
        }
    }

    /// The name of where the user works.
    pub fn scope_name(&self) -> String {
        self.setup().and_then(|setup| setup.scope.first().map(|id| self.area_name(*id))).unwrap_or_default()
    }

    /// The name of somebody an event can be given to.
    pub fn handler_name(&self, id: UserId) -> Option<String> {
        let setup = self.setup()?;
        let named = setup.handlers.iter().find(|handler| handler.id == id).map(|handler| handler.name.clone());
        named.or_else(|| (setup.user.id == id).then(|| setup.user.name.clone()))
    }

    /// The clock: the server's as last seen.
    pub fn now(&self) -> DateTime<Utc> {
        self.handheld.now()
    }

    // --- records ---

    /// The newest form of a kind.
    pub fn form(&self, kind: RecordKind) -> Option<Arc<Form>> {
        self.handheld.form(kind)
    }

    /// The page of a record.
    pub fn record(&self, id: RecordId) -> Option<RecordPage> {
        self.read(self.handheld.record(id))
    }

    /// One row.
    pub fn hit(&self, id: RecordId) -> Option<Hit> {
        self.rows(&[id]).pop()
    }

    /// Some rows.
    pub fn rows(&self, ids: &[RecordId]) -> Vec<Hit> {
        self.read(self.handheld.rows(ids))
    }

    /// The title of a record, or 网格外 where this handheld does not hold it.
    pub fn title_or_outside(&self, words: &Words, id: RecordId, kind: Option<RecordKind>) -> String {
        let kind = kind.map(|kind| words.kind(kind)).unwrap_or_default();
        self.hit(id).map_or_else(|| words.s("outside-grid", "kind", &kind), |hit| hit.title)
    }

    /// Search as typed.
    pub fn search(&self, query: &str, filter: &Filter, offset: usize, limit: usize) -> Hits {
        self.read(self.handheld.search(query, filter, limit, offset))
    }

    /// What 今日 shows.
    pub fn today(&self) -> Today {
        self.follow();
        self.read(self.handheld.today())
    }

    /// When a record was last visited, as far as is known here.
    pub fn last_visit(&self, id: RecordId) -> Option<DateTime<Utc>> {
        self.read(self.handheld.last_visit(id))
    }

    /// The 专项排查 of which something remains here.
    pub fn campaigns(&self) -> Vec<CampaignLeft> {
        self.follow();
        self.read(self.handheld.campaigns())
    }

    /// The events of a list, the most urgent first, and whether there are more.
    pub fn events(&self, query: impl Into<EventQuery>, limit: usize, offset: usize) -> (Vec<EventRow>, bool) {
        self.read(self.handheld.events(query, limit, offset))
    }

    /// One event's state and what the user may do next.
    pub fn event(&self, id: RecordId) -> Option<EventRow> {
        self.read(self.handheld.event(id))
    }

    /// Records with fields that are 待核对, and whether there are more.
    pub fn conflicts(&self, limit: usize) -> (Vec<(Hit, Vec<OpenField>)>, bool) {
        self.follow();
        self.read(self.handheld.conflicts(limit, 0))
    }

    /// Decisions made on this handheld that can be taken back, the last one first.
    pub fn decisions(&self, limit: usize) -> Vec<Decision> {
        self.read(self.handheld.decisions(limit))
    }

    /// What others decided where the user had filled in a value.
    pub fn told(&self) -> Vec<Told> {
        self.follow();
        self.read(self.handheld.told())
    }

    /// Notes that these were seen, of a page that is being left: nobody else shows it.
    pub fn note_told(&self, seen: &[(EditId, EditId)]) {
        self.read(self.handheld.note_told(seen));
    }

    /// The whole history of a record, from the server.
    pub async fn history(&self, id: RecordId) -> Result<Vec<HistoryEntry>, SyncError> {
        self.handheld.history(id).await
    }

    // --- saving ---

    /// A fresh id for a new record.
    pub fn new_record(&self) -> RecordId {
        self.handheld.new_record_id()
    }

    /// A fresh id for an edit.
    pub fn new_edit(&self) -> EditId {
        self.handheld.new_edit_id()
    }

    /// Saves, and forgets the draft it was typed in.
    pub fn save(&self, draft: Draft, forget: Option<&str>) -> Result<Saved, SaveError> {
        let saved = self.handheld.save(draft, forget)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Closes events together; those that may not be closed stay as they are.
    pub fn close_together(&self, closings: &[Closing]) -> Result<Closed, SaveError> {
        let done = self.handheld.close_together(closings)?;
        self.touched();
        self.handheld.wake();
        Ok(done)
    }

    /// Likely duplicates of what is being entered.
    pub fn candidates(&self, draft: &Draft) -> Vec<Candidate> {
        self.read(self.handheld.candidates(draft))
    }

    /// Decides a 待核对 field.
    pub fn settle(&self, record: RecordId, part: Part, field: &str, value: Value) -> Result<Saved, SaveError> {
        let saved = self.handheld.settle(record, part, field, value)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Takes a decision back.
    pub fn undo_settle(&self, settled: EditId) -> Result<Saved, SaveError> {
        let saved = self.handheld.undo_settle(settled)?;
        self.touched();
        self.handheld.wake();
        Ok(saved)
    }

    /// Whether this is the first page since the user was let in. True once.
    pub fn begins(&self) -> bool {
        self.handheld.begins()
    }

    /// Keeps what was typed so far.
    pub fn keep_draft(&self, key: &str, json: &str) -> bool {
        match self.handheld.save_draft(key, json) {
            Ok(()) => true,
            failed => {
                self.read(failed);
                false
            }
        }
    }

    /// What was typed under a key.
    pub fn draft(&self, key: &str) -> Option<String> {
        self.read(self.handheld.load_draft(key))
    }

    /// Every draft, newest first.
    pub fn drafts(&self) -> Vec<(String, DateTime<Utc>)> {
        self.follow();
        self.read(self.handheld.drafts())
    }

    /// The same of a page that is being left: nobody else shows it.
    pub fn drop_draft(&self, key: &str) -> bool {
        let dropped = self.handheld.delete_draft(key);
        let done = dropped.is_ok();
        self.read(dropped);
        done
    }

    /// Forgets a draft.
    pub fn forget_draft(&self, key: &str) {
        self.read(self.handheld.delete_draft(key));
        self.touched();
    }

    // --- photos and position ---

    /// Takes a picture in, away from the thread that draws.
    pub async fn take_in(&self, bytes: Vec<u8>, position: Option<Position>) -> Result<TakenIn, Message> {
        let handheld = self.handheld.clone();
        let now = self.now();
        let work = tokio::task::spawn_blocking(move || handheld.take_in(&bytes, position, Some(now)));
        match work.await {
            Ok(taken) => taken.map_err(|error| error.0),
            Err(_) => Err(Message::of("photo-other")),
        }
    }

    /// JPEG bytes of a picture: from this handheld, else from the server.
    pub async fn picture(&self, hash: &PhotoHash) -> Option<Vec<u8>> {
        match self.handheld.picture(hash) {
            Ok(Some(bytes)) => Some(bytes),
            _ => self.handheld.fetch_picture(hash).await.ok().flatten(),
        }
    }

    /// Where the handheld is.
    pub async fn locate(&self) -> Option<Position> {
        self.handheld.position().await
    }

    // --- sync ---

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
        let work = tokio::task::spawn_blocking(move || handheld.export_outbox(&handheld.export_path()));
        match work.await {
            Ok(Ok(done)) => exported(&done),
            Ok(Err(error)) => error.message(),
            Err(_) => Message::of("export-failed"),
        }
    }

    /// Photos wait, or go along.
    pub fn set_text_only(&self, text_only: bool) {
        self.read(self.handheld.set_settings(|settings| settings.text_only = text_only));
        self.touched();
        self.handheld.wake();
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

fn look_of(handheld: &Handheld) -> Look {
    let settings = handheld.settings();
    Look {
        lang: Lang::from_tag(&settings.language),
        text: settings.text_size,
        theme: match settings.theme.as_str() {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::Auto,
        },
    }
}
