//! Who uses the handheld, where, and what they may do.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dioxus::prelude::*;
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;
use shared::ids::{RecordId, UserId};
use shared::record::RecordKind;
use shared::wire::Setup;

use super::{EventsPlace, Look, MapPlace, SearchPlace, State};
use crate::handheld::{Door, Handheld, Message, SyncError};
use crate::store::StoreError;

/// How often it is looked whether a screen nobody looks at is to be locked.
const AWAY: Duration = Duration::from_secs(30);

impl State {
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

    pub(super) fn look_at_door(&self) {
        let (mut door, now) = (self.door, self.handheld.door());
        if *door.peek() == now {
            return;
        }
        if now != Door::Open {
            // Nothing of who was in stays for who comes next.
            let Self { mut place, mut events_place, mut map_place, mut later, .. } = self.clone();
            place.set(SearchPlace::default());
            events_place.set(EventsPlace::default());
            map_place.set(MapPlace::default());
            later.set(Default::default());
            self.answers.borrow_mut().clear();
        }
        door.set(now);
    }

    /// The texts of the codes in a picture, one at least.
    pub async fn read_codes(&self, picture: Vec<u8>) -> Result<Vec<String>, Message> {
        let handheld = self.handheld.clone();
        let work = tokio::task::spawn_blocking(move || handheld.read_codes(&picture));
        work.await.unwrap_or_else(|_| Err(Message::of("scan-unclear")))
    }

    /// Enrols with a one-time code and sets the PIN, away from the thread that draws.
    pub async fn enrol(&self, server: &str, code: &str, pin: &str) -> Result<(), SyncError> {
        let (handheld, runtime) = (self.handheld.clone(), tokio::runtime::Handle::current());
        let (server, code, pin) = (server.to_owned(), code.to_owned(), pin.to_owned());
        let work = tokio::task::spawn_blocking(move || runtime.block_on(handheld.enrol(&server, &code, &pin)));
        let done = work.await.unwrap_or_else(|stopped| {
            let message = Message::of("store-other");
            Err(SyncError { message, detail: stopped.to_string(), retry: None, asked_to_wait: false })
        })?;
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

    /// Locks at once; that the database takes a while to close keeps nobody waiting.
    pub async fn lock(&self) {
        let handheld = self.handheld.clone();
        // It cannot stop half-way but by a panic, and then whoever looks finds who is in.
        tokio::task::spawn_blocking(move || handheld.lock()).await.ok();
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

    /// The grids a new record can belong to, in order of names as the tree has them: none that was given up.
    pub fn grids(&self) -> Vec<Area> {
        self.all_grids().into_iter().filter(|area| !area.closed).collect()
    }

    /// The grids a record can lie in, those given up too.
    pub fn all_grids(&self) -> Vec<Area> {
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
}
