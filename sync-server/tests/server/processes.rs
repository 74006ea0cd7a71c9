//! Several server processes on one PostgreSQL: any of them answers any request, each may die at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::record::Part;
use shared::value::Value;
use shared::wire::SyncAnswer;
use sync_server::auth::Who;
use sync_server::auth::people::{NewUser, add_user};
use sync_server::store::{self, PartFilter, StoreError, User};
use sync_server::sync::moving::hand_over;

use crate::common::postgres::{Cluster, run, stand_in_at};
use crate::common::program::Program;
use crate::common::*;

/// Records that everybody changes at once.
const SHARED: usize = 4;
/// Records that go from town to town meanwhile.
const TRAVELLERS: usize = 4;
/// 寺滩乡
const OTHER_TOWN: AreaId = AreaId(9);

/// Two processes of the server; now and then one is killed, and started again where it was.
struct Fleet {
    folder: String,
    processes: Vec<Mutex<Option<Program>>>,
    urls: Vec<String>,
    asked: AtomicUsize,
    taken: AtomicUsize,
    /// Requests with edits from one death to the next; 0: nobody dies.
    kill_every: usize,
    kills: AtomicUsize,
    wrong: Mutex<Vec<String>>,
    /// Many at once from one address look like somebody who guesses codes.
    enrolling: tokio::sync::Mutex<()>,
}

impl Fleet {
    fn start(folder: &str, kill_every: usize) -> Self {
        let serve = |listen: &str| Program::start(&["serve", "--data", folder, "--listen", listen]);
        let processes: Vec<_> = (0..2).map(|_| serve("127.0.0.1:0")).collect();
        let urls = processes.iter().map(|process| process.url.clone()).collect();
        let processes = processes.into_iter().map(|process| Mutex::new(Some(process))).collect();
        Self {
            folder: folder.to_owned(),
            processes,
            urls,
            asked: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            kill_every,
            kills: AtomicUsize::new(0),
            wrong: Mutex::default(),
            enrolling: tokio::sync::Mutex::default(),
        }
    }

    fn any(&self) -> &str {
        // In no order that anybody could rely on.
        let n = self.asked.fetch_add(1, Ordering::SeqCst);
        &self.urls[n * 7919 / 13 % self.urls.len()]
    }

    /// Something was taken in; when it is somebody's turn, a process dies in the middle of what it does for others. Who only
    /// asks does not count: they are answered so fast that processes would die sooner than anybody's edits get through.
    async fn count(&self) {
        let n = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        if self.kill_every == 0 || !n.is_multiple_of(self.kill_every) {
            return;
        }
        let place = n / self.kill_every % self.processes.len();
        let Some(process) = self.processes[place].lock().unwrap().take() else { return };
        process.kill();
        self.kills.fetch_add(1, Ordering::SeqCst);
        let listen = self.urls[place].trim_start_matches("http://").to_owned();
        let folder = self.folder.clone();
        let start = move || Program::start(&["serve", "--data", &folder, "--listen", &listen]);
        let again = tokio::task::spawn_blocking(start).await.unwrap();
        *self.processes[place].lock().unwrap() = Some(again);
    }

    /// One round, asked of whoever is there until somebody answers; the same request each time.
    async fn round(&self, hand: &mut Handheld<'_>, edits: Vec<Edit>) -> Option<SyncAnswer> {
        let body = serde_json::to_vec(&hand.request(edits.clone())).unwrap();
        loop {
            let url = format!("{}/api/v1/sync", self.any());
            let asked = hand.centre.http.post(url).bearer_auth(&hand.token).body(body.clone());
            match asked.timeout(Duration::from_secs(60)).send().await {
                // It was killed, before or after it did what it was asked.
                Err(_) => tokio::task::yield_now().await,
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {}
                Ok(response) if response.status() != StatusCode::OK => {
                    let said = format!("{}: {}", response.status(), response.text().await.unwrap_or_default());
                    self.wrong.lock().unwrap().push(said);
                    return None;
                }
                Ok(response) => {
                    let Ok(bytes) = response.bytes().await else { continue };
                    let answer: SyncAnswer = serde_json::from_slice(&bytes).unwrap();
                    hand.take(&answer, &edits);
                    if !edits.is_empty() {
                        self.count().await;
                    }
                    return Some(answer);
                }
            }
        }
    }
}

/// What a crowd does, and how.
struct Crowd {
    writers: usize,
    pullers: usize,
    /// Edits of a writer; where a time is given, until that is over.
    edits: usize,
    until: Option<Instant>,
    /// As in [`Fleet`].
    kill_every: usize,
    /// Nobody waits for anybody else's transaction.
    unlocked: bool,
}

/// What was found wrong afterwards, and how often a process was killed.
async fn told(cluster: &Cluster, crowd: Crowd) -> (Vec<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    stand_in_at(cluster.socket(), folder.path()).unwrap();
    let centre = Centre::over(folder, std::sync::Arc::default(), |_| {}).await;
    sync_server::auth::people::import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    let grids = [GRID, NEXT_GRID, FAR_GRID, FOREIGN_GRID];
    let users: Vec<_> =
        grids.iter().map(|grid| centre.person(&format!("of-{grid}"), Role::GridMember, *grid, false)).collect();
    // One of the town, and two who work in both.
    let leader = centre.person("leader", Role::GridLeader, TOWN, false);
    let (both, staff) = (of_both(&centre, "both", Role::GridLeader), of_both(&centre, "staff", Role::CenterStaff));
    let mut first = centre.enrol(&leader).await;
    let shared: Vec<Edit> = (0..SHARED).map(|n| first.resident(&format!("众人{n}"), GRID)).collect();
    let records: Vec<RecordId> = shared.iter().map(|edit| edit.record).collect();
    first.sync(shared).await;
    let going: Vec<Edit> = (0..TRAVELLERS).map(|n| first.resident(&format!("来往{n}"), GRID)).collect();
    let travellers: Vec<RecordId> = going.iter().map(|edit| edit.record).collect();
    first.sync(going).await;

    // Each transaction takes a moment between its last word and its end.
    run(centre.folder.path(), SLOW).unwrap();
    if crowd.unlocked {
        run(centre.folder.path(), UNLOCKED).unwrap();
    }
    let fleet = Fleet::start(centre.folder.path().to_str().unwrap(), crowd.kill_every);
    // Those who write, and those who hand over as long as anybody writes.
    let writing = AtomicUsize::new(crowd.writers + TRAVELLERS);
    let known = records.iter().chain(&travellers).map(|record| (*record, 1)).collect();
    let sent: Mutex<BTreeMap<RecordId, usize>> = Mutex::new(known);
    let writers = (0..crowd.writers).map(|n| {
        let (centre, fleet, users, leader, both, records, travellers, crowd, sent, writing) =
            (&centre, &fleet, &users, &leader, &both, &records, &travellers, &crowd, &sent, &writing);
        async move {
            // They are enrolled in the middle of it all.
            let turn = fleet.enrolling.lock().await;
            let user = [leader, &users[n % users.len()], both, &users[n % users.len()]][n % 4];
            let mut hand = centre.enrol(user).await;
            drop(turn);
            fleet.round(&mut hand, Vec::new()).await;
            let grid = if n % 4 == 0 { grids[n / 4 % 3] } else { grids[n % grids.len()] };
            let mut done = 0;
            while match crowd.until {
                Some(until) => Instant::now() < until,
                None => done < crowd.edits,
            } {
                done += 1;
                let everybody = if n % 4 == 2 { travellers } else { records };
                let record = everybody[(n + done) % everybody.len()];
                let mut edits = vec![hand.resident(&format!("新人{n}-{done}"), grid)];
                // Only who sees them changes them.
                if hand.holds(record, Part::Open) {
                    edits.push(hand.change(record, &[("phone", Value::text(&format!("139{n:04}{done:04}")))]));
                }
                for edit in &edits {
                    *sent.lock().unwrap().entry(edit.record).or_default() += 1;
                }
                if fleet.round(&mut hand, edits).await.is_none() {
                    break;
                }
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let pullers = (0..crowd.pullers).map(|n| {
        let (centre, fleet, users, leader, both, writing) = (&centre, &fleet, &users, &leader, &both, &writing);
        async move {
            let user = [leader, both, &users[n / 2 % users.len()], &users[n / 2 % users.len()]][n % 4];
            let turn = fleet.enrolling.lock().await;
            let mut hand = centre.enrol(user).await;
            drop(turn);
            loop {
                let last = writing.load(Ordering::SeqCst) == 0;
                loop {
                    match fleet.round(&mut hand, Vec::new()).await {
                        None => return hand,
                        Some(answer) if !answer.more => break,
                        Some(_) => {}
                    }
                }
                if last {
                    return hand;
                }
            }
        }
    });
    let crossing = (0..TRAVELLERS).map(|n| cross(&centre, &staff, travellers[n], &sent, (&writing, &fleet)));
    let (hands, _, crossed) =
        futures_util::future::join3(join_all(pullers), join_all(writers), join_all(crossing)).await;
    eprintln!("crossings: {crossed:?}");
    let mut wrong = std::mem::take(&mut *fleet.wrong.lock().unwrap());
    judge(&centre, &hands, &sent.into_inner().unwrap(), &mut wrong);
    (wrong, fleet.kills.load(Ordering::SeqCst))
}

/// Somebody of 一条山镇 who works in both towns.
fn of_both(centre: &Centre, login: &str, role: Role) -> User {
    let (login, name) = (login.to_owned(), format!("{login}的姓名"));
    let (scope, cleared, may_unmask, password) = (vec![TOWN, OTHER_TOWN], false, false, None);
    add_user(&centre.app, NewUser { login, name, role, scope, cleared, may_unmask, password }).unwrap()
}

/// Hands a record over, there and back, as long as somebody writes. Says how often.
async fn cross(
    centre: &Centre,
    staff: &User,
    record: RecordId,
    sent: &Mutex<BTreeMap<RecordId, usize>>,
    (writing, fleet): (&AtomicUsize, &Fleet),
) -> usize {
    let (mut to, mut crossed) = ([FOREIGN_GRID, GRID].into_iter().cycle(), 0);
    while writing.load(Ordering::SeqCst) > TRAVELLERS {
        let (app, staff, area) = (centre.app.clone(), staff.clone(), to.next().unwrap());
        let done = tokio::task::spawn_blocking(move || {
            let who = Who::of(staff, &app.areas().unwrap());
            hand_over(&app, &who, record, area)
        });
        if let Err(error) = done.await.unwrap() {
            fleet.wrong.lock().unwrap().push(format!("{record} is not handed over to {area}: {error}"));
            break;
        }
        *sent.lock().unwrap().entry(record).or_default() += 1;
        crossed += 1;
    }
    writing.fetch_sub(1, Ordering::SeqCst);
    crossed
}

/// Every change is there, once, in one town, and everybody shows it who may, and nobody else.
fn judge(centre: &Centre, hands: &[Handheld<'_>], sent: &BTreeMap<RecordId, usize>, wrong: &mut Vec<String>) {
    let mut there: BTreeMap<RecordId, (PartState, Vec<AreaId>, usize)> = BTreeMap::new();
    for town in [TOWN, OTHER_TOWN] {
        store::read::<_, StoreError>(&*centre.app.store, town, |read| {
            let mut parts = Vec::new();
            read.each_part(&PartFilter::default(), &mut |part| {
                parts.push(part);
                Ok(true)
            })?;
            for part in parts.into_iter().filter(|part| part.part == Part::Open) {
                let state: PartState = serde_json::from_str(&part.state).unwrap();
                let edits = read.edits_of(part.record)?;
                let dots: BTreeSet<_> = edits.iter().map(|edit| edit.edit.dot).collect();
                if edits.iter().any(|edit| !state.vector().covers(edit.edit.dot)) || dots.len() != edits.len() {
                    wrong.push(format!("{} is not what its edits make", part.record));
                }
                if there.insert(part.record, (state, part.areas, edits.len())).is_some() {
                    wrong.push(format!("{} is in both towns", part.record));
                }
            }
            Ok(())
        })
        .unwrap();
    }
    for (record, count) in sent {
        let kept = there.get(record).map_or(0, |(_, _, edits)| *edits);
        if kept != *count {
            wrong.push(format!("of {record} {count} edits were sent, {kept} are kept"));
        }
    }
    for hand in hands {
        let sees = |areas: &[AreaId]| {
            areas.iter().any(|area| match hand.author.name.as_str() {
                "both的姓名" => true,
                "leader的姓名" => *area != FOREIGN_GRID,
                name => name.contains(&area.to_string()),
            })
        };
        for (record, (state, areas, _)) in &there {
            let shown = hand.confirmed.get(&(*record, Part::Open));
            if sees(areas) && shown != Some(state) {
                let what = if shown.is_some() { "shows an older" } else { "misses" };
                wrong.push(format!("{} {what} {record}", hand.author.name));
            }
            if !sees(areas) && shown.is_some() {
                wrong.push(format!("{} still shows {record}", hand.author.name));
            }
        }
    }
}

/// A transaction that took a number waits a moment before it ends.
const SLOW: &str = "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(random() * 0.02); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON sequence DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION dawdle()";

/// In the place of PostgreSQL's own lock, one that locks nothing.
const UNLOCKED: &str = "CREATE FUNCTION public.pg_advisory_xact_lock(integer, integer) RETURNS void LANGUAGE sql AS '';
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$";

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_die_now_and_then_lose_nothing_and_no_puller_misses_a_change() {
    let cluster = Cluster::start().unwrap();
    let small = Crowd { writers: 12, pullers: 12, edits: 4, until: None, kill_every: 10, unlocked: false };
    let crowd = match std::env::var("MINUTES") {
        Ok(minutes) => {
            let time = Duration::from_secs_f64(60.0 * minutes.parse::<f64>().unwrap());
            Crowd { writers: 100, pullers: 100, until: Some(Instant::now() + time), kill_every: 500, ..small }
        }
        Err(_) => small,
    };
    let (wrong, kills) = told(&cluster, crowd).await;
    assert_eq!(wrong, [""; 0]);
    assert!(kills >= 2, "{kills} processes were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lock_of_the_town_changes_are_lost() {
    let cluster = Cluster::start().unwrap();
    // On a busy machine it may go well by chance, but not every time.
    for _ in 0..5 {
        let crowd = Crowd { writers: 12, pullers: 12, edits: 12, until: None, kill_every: 0, unlocked: true };
        let (wrong, _) = told(&cluster, crowd).await;
        eprintln!("without the lock: {wrong:#?}");
        if !wrong.is_empty() {
            return;
        }
    }
    panic!("the lock is not what keeps the changes");
}
