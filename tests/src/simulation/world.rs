//! The world of a run: handhelds, centre and network under one event queue in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;

use anyhow::{Context, Result};
use app::sync::{Response, TransportError};
use shared::ids::{EditId, RecordId};
use shared::record::RecordKind;
use sync_server::store::User;

use super::centre::Centre;
use super::clock::{Machine, Shows, TEN_YEARS, Time};
use super::dice::Dice;
use super::drive::{Came, Driver};
use super::forms::Edition;
use super::hand::{Flight, Hand};
use super::invariant::{Invariant, broken};
use super::network::{Answer, Asked, Fate, Network, SOUND};
use super::past::Pasts;
use super::plan::{Step, What};
use super::template::{Template, copy, scratch};
use super::trace::Trace;
use crate::faults::watch;

/// Requests of one sync, or of anything else, after which it counts as one without end. The longest take some dozens.
const ENOUGH: u32 = 500;

/// How a run is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Clocks are wrong by up to ten years, stand still, run backwards; else all are right.
    pub wrong_clocks: bool,
    /// Ids come from the true time, so that runs with right and wrong clocks can be compared.
    pub true_ids: bool,
    /// The story is kept.
    pub told: bool,
    /// There are two towns: somebody works in both, and records are handed over from one to the other. What a restored
    /// server is told of where edits stood before counts in one town alone (decision 31): it is not restored here.
    pub towns: bool,
    /// The server's records are in the cluster with this socket; else in SQLite.
    pub postgres: Option<&'static FilePath>,
}

/// Something that is going to happen.
enum Event {
    /// A request reaches the centre.
    Arrives { asked: Asked, fate: Fate, awaited: bool },
    /// An answer reaches who waits for it.
    Answers { number: u64, hand: usize, answer: Result<Response, TransportError> },
}

/// A run.
pub struct World<'a> {
    pub(super) driver: &'a Driver,
    pub(super) options: Options,
    pub(super) time: Time,
    pub(super) network: Network,
    queue: BTreeMap<(i64, u64), Event>,
    queued: u64,
    pub(super) centre: Option<Centre>,
    pub(super) server_watch: Option<crate::faults::Watch>,
    /// The forms the server knows.
    pub(super) edition: Edition,
    pub(super) hands: Vec<Hand>,
    pub(super) users: Vec<User>,
    pub(super) staff: User,
    /// The same of the other town.
    pub(super) theirs: User,
    pub(super) pasts: Pasts,
    pub(super) records: Vec<(RecordId, RecordKind)>,
    /// Records that were erased.
    pub(super) erased: BTreeSet<RecordId>,
    /// Edits that may be lost, by the stated exceptions.
    pub(super) excused: BTreeSet<EditId>,
    /// Backups of the server, the latest last.
    pub(super) backups: Vec<PathBuf>,
    /// Edits that their authors took back or corrected: nobody need find them in a tray.
    pub(super) put_away: Vec<EditId>,
    pub(super) trace: Trace,
    pub(super) healed: bool,
    pub(super) folder: tempfile::TempDir,
    folders: usize,
}

impl<'a> World<'a> {
    /// The world of a seed before its first step.
    pub fn new(driver: &'a Driver, seed: u64, options: Options) -> Result<Self> {
        let mut dice = Dice::new(seed);
        let template = Template::get(dice.below(1 << 16), options.towns, options.postgres)?;
        let folder = scratch()?;
        let time = Time::default();
        let server = folder.path().join("server");
        copy(&template.server(), &server)?;
        // In some worlds the power fails too.
        let watched = dice.percent(12);
        let server_watch = if watched { Some(watch(&server)?) } else { None };
        let machine = Machine::new(&time, Shows::Off(0), dice.roll(), options.true_ids);
        // Some servers learn of the new form later.
        let edition = if dice.percent(25) { Edition::Old } else { Edition::Both };
        let page_items = dice.one(&[2, 3, 5, 9, 4_000]).copied().unwrap_or(3);
        let centre = Centre::open(&server, machine, edition, page_items)?;
        let network = Network::default();
        let mut users: Vec<User> = Vec::new();
        let mut hands = Vec::new();
        let count = 3 + dice.below(3);
        for (place, owner) in template.owners.iter().take(count).enumerate() {
            let owner = match users.iter().position(|user| user.id == owner.id) {
                Some(owner) => owner,
                None => {
                    users.push(owner.clone());
                    users.len() - 1
                }
            };
            let dir = folder.path().join(format!("hand-{place}"));
            copy(&template.hand(place), &dir)?;
            let years = [0, 1, -1].get(dice.below(3)).copied().unwrap_or(0);
            let off = years * TEN_YEARS + dice.between(-90_000, 90_000);
            let off = if options.wrong_clocks { off } else { 0 };
            let machine = Machine::new(&time, Shows::Off(off), dice.roll(), options.true_ids);
            let edition = if dice.percent(50) { Edition::Old } else { Edition::Both };
            let watch = if watched { Some(watch(&dir)?) } else { None };
            let mut hand = Hand {
                root: dir,
                machine,
                edition,
                owner,
                app: None,
                flight: None,
                open: Vec::new(),
                settled: Vec::new(),
                backup: None,
                saved: Vec::new(),
                line: network.line(place),
                watch,
            };
            hand.start()?;
            hands.push(hand);
        }
        Ok(Self {
            driver,
            options,
            time,
            network,
            queue: BTreeMap::new(),
            queued: 0,
            centre: Some(centre),
            server_watch,
            edition,
            hands,
            users,
            staff: template.staff.clone(),
            theirs: template.theirs.clone(),
            pasts: Pasts::default(),
            records: Vec::new(),
            erased: BTreeSet::new(),
            excused: BTreeSet::new(),
            backups: Vec::new(),
            put_away: Vec::new(),
            trace: Trace::new(options.told),
            healed: false,
            folder,
            folders: 0,
        })
    }

    /// The centre, which is open.
    pub(super) fn centre(&self) -> Result<&Centre> {
        self.centre.as_ref().context("the server runs")
    }

    /// A handheld.
    pub(super) fn hand(&self, place: usize) -> Result<&Hand> {
        self.hands.get(place).context("a handheld")
    }

    /// A handheld.
    pub(super) fn hand_mut(&mut self, place: usize) -> Result<&mut Hand> {
        self.hands.get_mut(place).context("a handheld")
    }

    /// A name for a new folder.
    pub(super) fn new_folder(&mut self) -> PathBuf {
        self.folders += 1;
        self.folder.path().join(format!("f{}", self.folders))
    }

    /// One step, after all that happens before it.
    pub fn step(&mut self, step: Step) -> Result<()> {
        let mut dice = Dice::new(step.dice);
        // Mostly seconds, now and then hours.
        let pause = if dice.percent(3) { dice.between(3_600_000, 40 * 3_600_000) } else { dice.between(0, 90_000) };
        self.run_until(self.time.now() + pause)?;
        self.trace.count(step.what.text());
        let place = dice.below(self.hands.len());
        self.trace.say(|| format!("{:>3} {} [{place}]", step.number, step.what.text()));
        match step.what {
            What::Register => self.register(place, &mut dice),
            What::Report => self.report(place, &mut dice),
            What::Step => self.take_step(place, &mut dice),
            What::Change => self.change(place, &mut dice),
            What::OpenForm => self.open_form(place, &mut dice),
            What::SaveForm => self.save_form(place, &mut dice),
            What::Move => self.move_record(place, &mut dice),
            What::Delete => self.delete(place, &mut dice),
            What::Settle => self.settle(place, &mut dice),
            What::Undo => self.undo(place),
            What::Tray => self.see_to_tray(place, &mut dice),
            What::Photo => self.photo(place, &mut dice),
            What::SyncRough => self.begin_sync(place, dice.roll(), true, u32::MAX),
            What::Sync => self.begin_sync(place, dice.roll(), false, u32::MAX),
            What::Wait => self.run_until(self.time.now() + dice.between(60_000, 1_200_000)),
            What::Console if self.options.towns && dice.percent(50) => self.hand_over(&mut dice),
            What::Console => self.console_writes(&mut dice),
            What::ConsoleStep => self.console_steps(&mut dice),
            What::Decide => self.decide(&mut dice),
            What::Reassign => self.reassign(&mut dice),
            What::Clearance => self.clearance(&mut dice),
            What::Kill => self.kill(place),
            What::KillSyncing => {
                let polls = 1 + u32::try_from(dice.below(14)).unwrap_or(0);
                self.begin_sync(place, dice.roll(), true, polls)
            }
            What::KillServer => self.kill_server(),
            What::PowerCut => self.power_cut(place, &mut dice),
            What::ServerPowerCut => self.server_power_cut(&mut dice),
            What::Keep => self.keep(place),
            What::PutBack => self.put_back(place, &mut dice),
            What::Clone => self.clone_hand(place, &mut dice),
            What::Reinstall => self.reinstall(place),
            What::Enrol => self.enrol(place),
            What::Backup => self.back_up(),
            What::Yesterday if self.options.towns => self.hand_over(&mut dice),
            What::Yesterday => self.yesterday(&mut dice),
            What::Erase => self.erase(&mut dice),
            What::Merge => self.merge(&mut dice),
            What::Unmerge => self.unmerge(&mut dice),
            What::Lease => Ok(self.hand(place)?.app()?.store()?.end_lease()?),
            What::Clock => self.set_clock(place, &mut dice),
        }
    }

    /// The hash, the counts and the story of what happened.
    pub fn end(self) -> (String, super::trace::Counts, Vec<String>) {
        self.trace.end()
    }

    fn push(&mut self, at: i64, event: Event) {
        self.queued += 1;
        self.queue.insert((at, self.queued), event);
    }

    /// Everything up to a moment happens.
    pub(super) fn run_until(&mut self, until: i64) -> Result<()> {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.time.reach(at);
            self.happen(event)?;
        }
        self.time.reach(until);
        Ok(())
    }

    /// Everything that is on its way arrives.
    pub(super) fn run_out(&mut self) -> Result<()> {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.time.reach(at);
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Arrives { asked, fate, awaited } => {
                let answer = match fate.answer {
                    Answer::Busy(status) => {
                        self.trace.count("a machine on the way is busy");
                        let headers = vec![("retry-after".to_owned(), "30".to_owned())];
                        Response { status, headers, body: Vec::new() }
                    }
                    _ => self.deliver(&asked, fate.cut)?,
                };
                if !awaited {
                    self.trace.count("arrives unexpected");
                    return Ok(());
                }
                let mut answer = answer;
                if let Answer::Cut(share) = fate.answer {
                    self.trace.count("answer cut short");
                    let length = answer.body.len() * share / 1_000;
                    answer.body.truncate(length);
                }
                let at = self.time.now() + fate.answers;
                self.push(at, Event::Answers { number: asked.number, hand: asked.hand, answer: Ok(answer) });
                Ok(())
            }
            Event::Answers { number, hand, answer } => {
                if self.network.answer(number, answer) {
                    self.fly(hand)
                } else {
                    Ok(())
                }
            }
        }
    }

    fn deliver(&mut self, asked: &Asked, cut: Option<usize>) -> Result<Response> {
        if cut.is_some() {
            self.trace.count("request cut short");
        }
        self.trace.bytes(&asked.request.path, &asked.request.body);
        let centre = self.centre.as_ref().context("the server runs")?;
        let response = centre.deliver(self.driver, &asked.request, cut)?;
        self.trace.bytes("answer", &response.body);
        self.watch_answer(asked, &response);
        let (status, path) = (response.status, &asked.request.path);
        if status >= 300 {
            self.trace.say(|| {
                let body = String::from_utf8_lossy(&response.body).chars().take(200).collect::<String>();
                format!("      {path} of [{}]: {status} {body}", asked.hand)
            });
        }
        if status == 500 && cut.is_none() {
            return Err(broken(Invariant::NothingFails, format!("the server answers {status} to {path}")));
        }
        Ok(response)
    }

    /// Counts what is worth knowing to have happened on the wire.
    fn watch_answer(&mut self, asked: &Asked, response: &Response) {
        if response.status != 200 || !asked.request.path.starts_with("/api/v1/s") {
            return;
        }
        let zipped = response.header("content-encoding") == Some("zstd");
        let body = if zipped { zstd::decode_all(response.body.as_slice()).ok() } else { Some(response.body.clone()) };
        let body = body.and_then(|body| String::from_utf8(body).ok()).unwrap_or_default();
        for (said, what) in [
            ("\"fork\":", "a handheld takes a new slot"),
            ("\"refill\":true", "an answer begins a fill"),
            ("\"more\":true", "an answer is one page of several"),
            ("\"rejected\":", "an edit comes back to its author"),
        ] {
            if body.contains(said) {
                self.trace.count(what);
            }
        }
        // An item with an id and no state.
        let ids = body.match_indices("{\"id\":\"").filter_map(|(at, id)| body.get(at + id.len() + 36..));
        if ids.into_iter().any(|rest| rest.starts_with("\"}") || rest.starts_with("\",\"part\":\"restricted\"}")) {
            self.trace.count("something is gone from a handheld's sight");
        }
    }

    /// A handheld begins to sync, unless it does.
    pub(super) fn begin_sync(&mut self, place: usize, seed: u64, rough: bool, polls: u32) -> Result<()> {
        let hand = self.hand_mut(place)?;
        if hand.flight.is_some() {
            return Ok(());
        }
        let app = hand.app()?.clone();
        let sync = Box::pin(async move { app.sync_now().await });
        hand.flight = Some(Flight { sync, dice: Dice::new(seed), rough, polls, requests: 0 });
        self.fly(place)
    }

    /// Carries a sync on until it waits for the network, or ends.
    fn fly(&mut self, place: usize) -> Result<()> {
        let Some(mut flight) = self.hand_mut(place)?.flight.take() else { return Ok(()) };
        match self.driver.advance(flight.sync.as_mut(), &mut flight.polls) {
            Came::Done(result) => {
                let ended = result.as_ref().is_err_and(|error| error.message.key == "sync-credential-ended");
                let said = result.map_err(|error| error.detail);
                self.trace.bytes("synced", format!("{said:?}").as_bytes());
                self.trace.count(if said.is_ok() { "a sync came through" } else { "a sync did not come through" });
                self.trace.say(|| format!("      [{place}] synced: {said:?}"));
                if ended {
                    // The server knows nothing of this enrolment any more: the administrator makes a code.
                    self.trace.count("a credential is not known any more");
                    return self.enrol(place);
                }
                if self.healed
                    && let Err(error) = said
                {
                    return Err(broken(Invariant::NothingFails, format!("[{place}] cannot sync any more: {error}")));
                }
                Ok(())
            }
            Came::Waits => {
                for asked in self.network.asked() {
                    flight.requests += 1;
                    self.send(asked, &mut flight);
                }
                if flight.requests > ENOUGH {
                    return Err(broken(Invariant::NothingFails, format!("[{place}] asks without end in one sync")));
                }
                self.hand_mut(place)?.flight = Some(flight);
                Ok(())
            }
            Came::Stopped => {
                drop(flight);
                self.network.asked();
                self.trace.count("killed in the middle of a sync");
                self.kill(place)
            }
        }
    }

    /// Decides what becomes of a request.
    fn send(&mut self, asked: Asked, flight: &mut Flight) {
        let fate = if flight.rough && !self.healed { Fate::roll(&mut flight.dice) } else { SOUND };
        let now = self.time.now();
        let patience = i64::try_from(asked.request.timeout.as_millis()).unwrap_or(i64::MAX / 2);
        let whole = fate.arrives.map(|arrives| arrives + fate.answers);
        let in_time = whole.is_some_and(|whole| whole < patience);
        let awaited = in_time && fate.answer != Answer::Lost;
        if fate != SOUND {
            let what = match fate {
                Fate { arrives: None, .. } => "request lost",
                Fate { again: Some(_), .. } => "request doubled",
                Fate { answer: Answer::Lost, .. } => "answer lost",
                _ => "request late or spoilt",
            };
            self.trace.count(what);
            self.trace.say(|| format!("      request {} of [{}]: {fate:?}", asked.number, asked.hand));
        }
        if !awaited {
            let error = if in_time {
                TransportError::Broken("the connection broke".to_owned())
            } else {
                TransportError::TimedOut
            };
            let at = now + whole.unwrap_or(patience).min(patience);
            let (number, hand) = (asked.number, asked.hand);
            self.push(at, Event::Answers { number, hand, answer: Err(error) });
        }
        if let Some(again) = fate.again {
            let second = Fate { again: None, answer: Answer::Whole, ..fate };
            self.push(now + again, Event::Arrives { asked: asked.clone(), fate: second, awaited: false });
        }
        if let Some(arrives) = fate.arrives {
            self.push(now + arrives, Event::Arrives { asked, fate, awaited });
        }
    }
}

/// Carries something of a handheld to its end over a sound line, and nothing else meanwhile.
pub fn soundly<T>(driver: &Driver, network: &Network, centre: &Centre, future: impl Future<Output = T>) -> Result<T> {
    let mut future = std::pin::pin!(future);
    for _ in 0..ENOUGH {
        let future: Pin<&mut _> = future.as_mut();
        match driver.advance(future, &mut u32::MAX.clone()) {
            Came::Done(value) => return Ok(value),
            Came::Waits | Came::Stopped => {
                let asked = network.asked();
                anyhow::ensure!(!asked.is_empty(), "it waits for something that is not of this simulation");
                for asked in asked {
                    let answer = centre.deliver(driver, &asked.request, None)?;
                    network.answer(asked.number, Ok(answer));
                }
            }
        }
    }
    Err(broken(Invariant::NothingFails, "it asks without end".to_owned()))
}
