//! One value altered behind somebody's back among 72,000 records is found in a few exchanges, mended and counted: in the
//! server's database, and on a handheld. A handheld scripted here holds texts and compares sums as the app does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::common::*;
use shared::author::{Author, Role};
use shared::digest::{BRANCHES, DEEPEST, Prefix, Sum, VERSION};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{DigestAsk, Item, SyncAnswer, SyncRequest};
use sync_server::auth::Who;
use sync_server::store::{self, Origin};
use sync_server::sync::accept::{Writer, accept_in, new_slot};

/// As many as a town has.
const RECORDS: usize = 72_000;
/// Edits accepted at once.
const PIECE: usize = 4_000;

/// A reader that keeps the texts it was told.
struct Reader<'a> {
    hand: Handheld<'a>,
    held: BTreeMap<(RecordId, Part), (RecordKind, String)>,
}

/// What it took to agree.
struct Descent {
    exchanges: usize,
    differing: Vec<(RecordId, Part)>,
    millis: Vec<u128>,
}

impl Reader<'_> {
    async fn exchange(&mut self, digest: Vec<(Part, Prefix)>, again: Vec<(RecordId, Part)>) -> SyncAnswer {
        let digest = (!digest.is_empty()).then_some(DigestAsk { version: VERSION, branches: digest });
        let request = SyncRequest { digest, again, ..self.hand.request(vec![]) };
        let body = zstd::encode_all(serde_json::to_vec(&request).unwrap().as_slice(), 3).unwrap();
        let headers = [("content-encoding", "zstd"), ("accept-encoding", "zstd")];
        let told = answer(self.hand.raw(body, &headers).await).await;
        if told.refill {
            self.held.clear();
        }
        for Item { id, part, kind, state, .. } in &told.items {
            match (kind, state) {
                (Some(kind), Some(state)) => {
                    self.held.insert((*id, *part), (*kind, state.get().to_owned()));
                }
                _ => drop(self.held.remove(&(*id, *part))),
            }
        }
        self.hand.cursor = Some(told.cursor.clone());
        told
    }

    async fn fill(&mut self) {
        while self.exchange(vec![], vec![]).await.more {}
    }

    fn leaves(&self) -> Vec<(Part, Prefix, RecordId, Sum)> {
        let leaf = |((id, part), (kind, state)): (&(RecordId, Part), &(RecordKind, String))| {
            (*part, Prefix::of(*id, DEEPEST), *id, Sum::leaf(*id, *part, *kind, state))
        };
        self.held.iter().map(leaf).collect()
    }

    /// Compares from the whole down to leaves and has what differs sent again.
    async fn agree(&mut self) -> Descent {
        let leaves = self.leaves();
        let within = |part: Part, prefix: &Prefix| {
            let prefix = prefix.clone();
            leaves.iter().filter(move |(of, place, _, _)| *of == part && place.as_str().starts_with(prefix.as_str()))
        };
        let sum = |part: Part, prefix: &Prefix| {
            let mut sum = Sum::default();
            within(part, prefix).for_each(|(_, _, _, leaf)| sum.add(*leaf));
            sum
        };
        let mut next: Vec<(Part, Prefix)> = Part::ALL.map(|part| (part, Prefix::default())).to_vec();
        let (mut exchanges, mut millis, mut differing) = (0, Vec::new(), BTreeSet::new());
        while !next.is_empty() {
            let asked: Vec<_> = next.drain(..next.len().min(BRANCHES)).collect();
            let begun = Instant::now();
            let told = self.exchange(asked.clone(), vec![]).await.digest.expect("a digest");
            millis.push(begun.elapsed().as_millis());
            exchanges += 1;
            assert_eq!(told.branches.len(), asked.len());
            for branch in told.branches {
                let (part, prefix) = (branch.part, &branch.prefix);
                if branch.sum == sum(part, prefix) {
                    continue;
                }
                if branch.below.is_empty() {
                    let theirs: BTreeSet<_> = branch.leaves.iter().map(|(id, leaf)| (*id, leaf.to_string())).collect();
                    let ours: BTreeSet<_> =
                        within(part, prefix).map(|(_, _, id, leaf)| (*id, leaf.to_string())).collect();
                    differing.extend(theirs.symmetric_difference(&ours).map(|(id, _)| (*id, part)));
                } else {
                    let below = prefix.below().into_iter().zip(&branch.below);
                    next.extend(below.filter(|(below, theirs)| sum(part, below) != **theirs).map(|it| (part, it.0)));
                }
            }
        }
        let differing: Vec<_> = differing.into_iter().collect();
        if !differing.is_empty() {
            let begun = Instant::now();
            self.exchange(vec![], differing.clone()).await;
            millis.push(begun.elapsed().as_millis());
            exchanges += 1;
        }
        Descent { exchanges, differing, millis }
    }
}

/// A town's residents, by one import.
fn fill(centre: &Centre, user: &store::User) -> Vec<RecordId> {
    let app = &centre.app;
    let rules = app.rules().unwrap();
    let who = Who::of(user.clone(), &rules.areas);
    let author = std::sync::Arc::new(Author { user: Some(user.id), name: user.name.clone(), role: user.role });
    let mut records = Vec::new();
    store::write::<_, store::StoreError>(&*app.store, TOWN, |tx| {
        records.clear();
        let slot = new_slot(app, tx, Origin::Import, "残余.csv")?;
        let writer = Writer { who: who.clone(), slot, origin: Origin::Import };
        let edit = |n: usize| {
            let writes = [
                ("name", Value::text(&format!("居民{n}"))),
                ("phone", Value::text(&format!("139{n:08}"))),
                ("area", Value::of(&GRID)),
            ];
            Edit {
                id: EditId::fresh(&*centre.clock),
                record: RecordId::fresh(&*centre.clock),
                kind: RecordKind::Person,
                part: Part::Open,
                dot: Dot { slot, n: u64::try_from(n).unwrap() + 1 },
                context: VectorTimestamp::new(),
                epoch: rules.epoch,
                at: centre.clock.now(),
                zone: 480,
                author: author.clone(),
                form: 1,
                writes: writes.into_iter().map(|(path, value)| (path.parse().unwrap(), value)).collect(),
            }
        };
        for from in (0..RECORDS).step_by(PIECE) {
            let edits: Vec<Edit> = (from..(from + PIECE).min(RECORDS)).map(edit).collect();
            records.extend(edits.iter().map(|edit| edit.record));
            accept_in(tx, &rules, &writer, edits)?;
        }
        Ok(())
    })
    .unwrap();
    records
}

async fn health(centre: &Centre, what: &str) -> u64 {
    let health: serde_json::Value =
        centre.http.get(format!("{}/healthz", centre.url)).send().await.unwrap().json().await.unwrap();
    health[what].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_altered_value_among_72_000_records_is_found_mended_and_counted() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridLeader, GRID, true);
    let records = fill(&centre, &wei);
    let mut reader = Reader { hand: centre.enrol(&wei).await, held: BTreeMap::new() };
    reader.fill().await;
    assert_eq!(reader.held.len(), RECORDS);
    let agreed = reader.agree().await;
    assert_eq!((agreed.exchanges, agreed.differing.len()), (1, 0), "both hold the same");

    // Somebody writes a number into the database, past the server. No vector changes.
    let (victim, at) = (records[31_415], "13900031415");
    let alter = |to: &str| {
        let database = rusqlite::Connection::open(centre.folder.path().join("town.db")).unwrap();
        let sql = "UPDATE part SET state = replace(state, ?2, ?3) WHERE record = ?1";
        assert_eq!(database.execute(sql, rusqlite::params![victim.0.as_bytes(), at, to]).unwrap(), 1);
    };
    alter("13900000000");
    // As after a restart: what the server told lately it has in memory.
    centre.app.store.scrub().unwrap();
    let mut late = Reader { hand: centre.enrol(&wei).await, held: BTreeMap::new() };
    late.fill().await;
    assert!(late.held[&(victim, Part::Open)].1.contains("13900000000"), "whoever fills now is told the altered one");
    let found = reader.agree().await;
    println!("altered at the server: {} exchanges, {:?} ms", found.exchanges, found.millis);
    assert!(found.exchanges <= 20, "{} exchanges", found.exchanges);
    assert_eq!(found.differing, [(victim, Part::Open)]);
    assert!(reader.held[&(victim, Part::Open)].1.contains(at));
    assert_eq!((health(&centre, "mended").await, health(&centre, "resent").await), (1, 0));
    late.fill().await;
    assert_eq!(late.held, reader.held, "what was mended goes to all as a change");
    assert_eq!(reader.agree().await.exchanges, 1);

    // And on a handheld: the server's is right, the handheld's is replaced.
    let (kind, text) = late.held[&(victim, Part::Open)].clone();
    late.held.insert((victim, Part::Open), (kind, text.replace(at, "13900000000")));
    late.held.remove(&(records[7], Part::Open));
    let found = late.agree().await;
    println!("altered on a handheld: {} exchanges, {:?} ms", found.exchanges, found.millis);
    assert!(found.exchanges <= 20, "{} exchanges", found.exchanges);
    assert_eq!(found.differing.iter().map(|it| it.0).collect::<BTreeSet<_>>(), BTreeSet::from([victim, records[7]]));
    assert_eq!(late.held, reader.held);
    assert_eq!((health(&centre, "mended").await, health(&centre, "resent").await), (1, 2));

    // What is no JSON any more, or was moved out of sight, is put right just so.
    let database = rusqlite::Connection::open(centre.folder.path().join("town.db")).unwrap();
    for set in ["state = '{\"vector\":'", "areas = ',12,'"] {
        let sql = format!("UPDATE part SET {set} WHERE record = ?1");
        assert_eq!(database.execute(&sql, rusqlite::params![records[9].0.as_bytes()]).unwrap(), 1);
        let found = reader.agree().await;
        assert_eq!(found.differing, [(records[9], Part::Open)], "{set}");
        assert_eq!(reader.held, late.held, "{set}");
    }
    // Whoever writes there meanwhile is not sent away.
    let spoil = |record: RecordId| {
        database.execute("UPDATE part SET state = '[' WHERE record = ?1", [record.0.as_bytes()]).unwrap();
    };
    spoil(records[5]);
    let key = (records[5], Part::Open);
    late.hand.confirmed.insert(key, serde_json::from_str(&late.held[&key].1).unwrap());
    let address = late.hand.change(records[5], &[("address", Value::text("条山路1号"))]);
    applied(&late.hand.sync(vec![address]).await, 0);
    assert_eq!(late.hand.shown(records[5], "phone"), "13900000005");
    // Whoever fills meanwhile is not kept from the rest, and finds it at the end.
    spoil(records[9]);
    let mut fresh = Reader { hand: centre.enrol(&wei).await, held: BTreeMap::new() };
    fresh.fill().await;
    assert_eq!(fresh.held.len(), RECORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sum_is_of_what_each_reader_holds() {
    let centre = Centre::open().await;
    let leader = centre.person("leader", Role::GridLeader, GRID, true);
    let plain = centre.person("plain", Role::GridMember, GRID, false);
    let informant = centre.person("lin", Role::Informant, GRID, false);
    let mut above = centre.enrol(&leader).await;
    above.catch_up().await;
    let resident = above.resident("张伟", GRID);
    let record = resident.record;
    applied(&above.sync(vec![resident]).await, 0);
    let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];
    let care = above.care(record, &care.map(|(path, value)| (path, Value::text(value))));
    applied(&above.sync(vec![care]).await, 0);
    let mut lin = centre.enrol(&informant).await;
    let report = lin.event("路灯坏了", GRID);
    applied(&lin.sync(vec![report]).await, 0);
    for (user, open, restricted) in [(&leader, 2, 1), (&plain, 2, 0), (&informant, 1, 0)] {
        let mut reader = Reader { hand: centre.enrol(user).await, held: BTreeMap::new() };
        reader.fill().await;
        let whole = Part::ALL.map(|part| (part, Prefix::default())).to_vec();
        let told = reader.exchange(whole, vec![]).await.digest.unwrap();
        let counts: Vec<u64> = told.branches.iter().map(|branch| branch.count).collect();
        assert_eq!(counts, [open, restricted], "{}", user.login);
        assert_eq!(reader.agree().await.exchanges, 1, "{}: masked names are summed as they are told", user.login);
    }
    // Another version of the digest compares nothing.
    let ask = DigestAsk { version: VERSION + 1, branches: vec![(Part::Open, Prefix::default())] };
    let request = SyncRequest { digest: Some(ask), ..above.request(vec![]) };
    let told = answer(above.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
    assert!(told.digest.is_none());
}
