//! The line to PostgreSQL falls silent: nothing comes, and nothing breaks. Whoever asks is told in time to come again, and goes on
//! as soon as the line speaks; `CUT=60` in the environment does it for so many seconds with the limits of operation.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::value::Value;
use sync_server::store::{self, StoreError};

use crate::common::dbline::{DbLine, Strike};
use crate::common::postgres::Cluster;
use crate::common::program::Program;
use crate::common::*;

/// Of a server that is to notice soon; the others are as in operation.
const SOON: &str =
    " connect_timeout=1 options='-c statement_timeout=2s -c lock_timeout=2s -c idle_in_transaction_session_timeout=2s'";

/// A handheld's round at the server behind the line: its answer, or that it is told to come again.
async fn round(hand: &mut Handheld<'_>, at: &Program, edits: &[Edit]) -> bool {
    let url = format!("{}/api/v1/sync", at.url);
    let request = hand.request(edits.to_vec());
    let told = hand.centre.http.post(url).bearer_auth(&hand.token).json(&request).send().await.unwrap();
    if told.status() == StatusCode::OK {
        let told = answer(told).await;
        (0..edits.len()).for_each(|place| drop(applied(&told, place).clone()));
        hand.take(&told, edits);
        return true;
    }
    assert!(told.headers().contains_key("retry-after"), "{}", told.status());
    refusal(told, 503).await;
    false
}

async fn until_answered(hand: &mut Handheld<'_>, at: &Program, edits: &[Edit]) {
    while !round(hand, at, edits).await {}
}

async fn ready(at: &Program) -> StatusCode {
    reqwest::get(format!("{}/ready", at.url)).await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_line_to_the_database_is_silent_everybody_is_told_in_time_and_goes_on_afterwards() {
    let cut: Option<Duration> = std::env::var("CUT").ok().map(|it| Duration::from_secs(it.parse().unwrap()));
    let cluster = Cluster::start().unwrap();
    let line = DbLine::to(cluster.socket()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = cluster.database("town").unwrap();
    std::fs::write(folder.path().join("database"), address).unwrap();
    let centre = Centre::over(folder, std::sync::Arc::default(), |_| {}).await;
    sync_server::auth::people::import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hands = Vec::new();
    for _ in 0..6 {
        hands.push(centre.enrol(&wei).await);
    }
    // The server that is told of has the line between.
    let behind = line.address("town") + if cut.is_some() { "" } else { SOON };
    std::fs::write(centre.folder.path().join("database"), behind).unwrap();
    let data = centre.folder.path().to_str().unwrap();
    let server = Program::start(&["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    let born = hands[0].resident("张伟", GRID);
    let who = born.record;
    until_answered(&mut hands[0], &server, &[born]).await;
    for hand in &mut hands {
        until_answered(hand, &server, &[]).await;
    }
    assert_eq!(ready(&server).await, StatusCode::OK);

    // First between two transactions; then after some word of one that has the town's lock.
    let mut messages = None;
    let mut sent = 1;
    for part in 0..if cut.is_some() { 4 } else { 2 } {
        match messages {
            None => line.strike(Strike::Silent),
            Some(all) => line.plan(Some((all * part / 4, Strike::Silent))),
        }
        let begun = Instant::now();
        let mut slowest = Duration::ZERO;
        let changed = |(n, hand): (usize, &mut Handheld<'_>)| {
            vec![hand.change(who, &[("phone", Value::text(&format!("138{n:04}{part:04}")))])]
        };
        let edits: Vec<Vec<Edit>> = hands.iter_mut().enumerate().map(changed).collect();
        sent += edits.len();
        let mut waiting: Vec<bool> = vec![true; hands.len()];
        // Several times, so that those who came first do not hold up who comes later: more than there are connections.
        for time in 0.. {
            let asked = hands.iter_mut().zip(&edits).zip(&mut waiting).map(async |((hand, edits), waiting)| {
                if *waiting {
                    let asked = Instant::now();
                    *waiting = !round(hand, &server, edits).await;
                    return asked.elapsed();
                }
                Duration::ZERO
            });
            let (took, is_ready) = tokio::join!(join_all(asked), ready(&server));
            slowest = took.into_iter().max().unwrap().max(slowest);
            if time > 0 {
                assert_eq!(is_ready, StatusCode::SERVICE_UNAVAILABLE, "nobody is to be sent here");
            }
            if time > 0 && begun.elapsed() >= cut.unwrap_or_default() {
                break;
            }
        }
        assert!(part > 0 || waiting.iter().all(|it| *it), "nobody came through");
        println!("silent for {:?}: the slowest answer took {slowest:?}", begun.elapsed());
        line.heal();
        let healed = Instant::now();
        // What was late arrives now, beside what is sent again. The same server process, never started anew.
        for (hand, edits) in hands.iter_mut().zip(&edits) {
            until_answered(hand, &server, edits).await;
        }
        println!("all is delivered {:?} after the line spoke again", healed.elapsed());
        while ready(&server).await != StatusCode::OK {}
        // How many messages one such round is.
        if messages.is_none() {
            line.plan(None);
            let edit = hands[0].change(who, &[("address", Value::text("柳湾巷 9 号"))]);
            sent += 1;
            until_answered(&mut hands[0], &server, &[edit]).await;
            messages = Some(line.passed());
        }
    }
    kept_once(&centre, who, sent);
}

/// Every edit of a record is kept, once.
fn kept_once(centre: &Centre, who: RecordId, sent: usize) {
    let edits = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.edits_of(who)).unwrap();
    let dots: std::collections::BTreeSet<_> = edits.iter().map(|edit| edit.edit.dot).collect();
    assert_eq!((edits.len(), dots.len()), (sent, sent));
}
