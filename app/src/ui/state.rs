//! What the pages share, and their only way to a command: every call on the [`Handheld`] is here.
//!
//! Reading happens while a page is drawn (a few milliseconds at most, see the methods of the handheld), or behind it where it
//! takes longer ([`State::use_behind`]); a page that calls [`State::follow`] is drawn anew when records changed, by an own save
//! or by a sync.

mod behind;
mod map;
mod records;
mod saving;
mod sync;
mod who;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use assets::messages::Lang;
use dioxus::prelude::*;
use shared::ids::RecordId;
use shared::wire::Setup;

use crate::handheld::{Door, EventQuery, Filter, Handheld, Message};
use crate::store::StoreError;
use crate::sync::SyncProgress;
use behind::{Answers, Turn};
use map::MapPlace;
pub use records::{EventsSeen, TodaySeen};

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
    answers: Answers,
    turn: Turn,
    /// What 查询 remembers.
    pub place: Signal<SearchPlace>,
    /// What 事件 remembers.
    pub events_place: Signal<EventsPlace>,
    /// What the map remembers.
    pub map_place: Signal<MapPlace>,
    /// 待核对 cards put off until later, as long as this screen lasts.
    pub later: Signal<BTreeSet<(RecordId, String)>>,
    /// How many texts are unfinished on each page, see [`super::keep`].
    pub typings: Rc<RefCell<BTreeMap<String, usize>>>,
    /// What the last store failure says; shown as a quiet line at the head of the page.
    pub trouble: Signal<Option<Message>>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.look == other.look
    }
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
            answers: Answers::default(),
            turn: Turn::default(),
            place: Signal::new(SearchPlace::default()),
            events_place: Signal::new(EventsPlace::default()),
            map_place: Signal::new(MapPlace::default()),
            later: Signal::new(BTreeSet::new()),
            typings: Rc::default(),
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
