//! Back-pressure over real HTTP: whoever is sent away is told when to come again, and nothing of theirs is lost.

use std::sync::Arc;

use crate::common::*;
use futures_util::future::join_all;
use reqwest::StatusCode;
use shared::author::Role;
use shared::edit::Edit;
use shared::record::Part;
use sync_server::auth::people::import_areas;
use sync_server::http::pressure::{Pressure, admit};

/// A centre where so many rounds that write may be under way.
async fn narrow(places: usize) -> Centre {
    let folder = tempfile::tempdir().unwrap();
    let change = |state: &mut sync_server::AppState| state.pressure = Pressure::with_queue(places);
    let centre = Centre::over(folder, Arc::new(Clock::default()), change).await;
    import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    centre
}

fn seconds(response: &reqwest::Response) -> u32 {
    response.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_queue_is_full_writers_are_sent_away_with_a_time_and_readers_are_not() {
    let centre = narrow(1).await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    let edit = alice.resident("张伟", GRID);
    let place = centre.app.pressure.place(0).ok().unwrap();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let response = alice.try_sync(vec![edit.clone()]).await;
        waits.push(seconds(&response));
        assert_eq!(refusal(response, 503).await.code, "busy");
    }
    assert!(waits.iter().all(|wait| (2..=4).contains(wait)) && waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    assert_eq!(alice.sync(vec![]).await.high_water, 0, "an idle round is answered");
    drop(place);
    applied(&alice.sync(vec![edit]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_takes_a_place_only_for_who_may_ask_it() {
    let centre = narrow(1).await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let question = alice.question(false, &[]);
    let place = centre.app.pressure.place(0).ok().unwrap();
    let body = serde_json::to_vec(&question).unwrap();
    let stranger = centre.post("/api/v1/slot", Some("not-a-credential"), body, &[]).await;
    assert_eq!(
        refusal(stranger, 401).await.code,
        "token_invalid",
        "all places are taken, and it is not for want of one"
    );
    assert_eq!(refusal(alice.try_ask(&question).await, 503).await.code, "busy");
    drop(place);
    alice.ask(&question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handheld_does_not_take_all_of_the_server() {
    let centre = narrow(64).await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&wei).await, centre.enrol(&wei).await);
    let under_way: Vec<_> = std::iter::from_fn(|| admit(&centre.app, alice.enrolled.device).ok()).take(1_000).collect();
    assert!(under_way.len() < 1_000);
    let response = alice.try_sync(vec![]).await;
    assert!(seconds(&response) >= 2);
    assert_eq!(refusal(response, 429).await.code, "too_many_requests");
    bob.catch_up().await;
    drop(under_way);
    alice.catch_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_none_loses_an_edit() {
    const HANDHELDS: usize = 24;
    const ROUNDS: usize = 6;
    let centre = narrow(2).await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hands = Vec::new();
    for _ in 0..HANDHELDS {
        hands.push(centre.enrol(&wei).await);
    }
    let work = hands.into_iter().enumerate().map(async |(number, mut hand)| {
        let mut sent_away = 0_u32;
        for round in 0..ROUNDS {
            let edits: Vec<Edit> = (0..3).map(|n| hand.resident(&format!("居民{number}-{round}-{n}"), GRID)).collect();
            let told = loop {
                let response = hand.try_sync(edits.clone()).await;
                if response.status() == StatusCode::OK {
                    break answer(response).await;
                }
                assert!(seconds(&response) >= 2);
                refusal(response, 503).await;
                sent_away += 1;
                tokio::task::yield_now().await;
            };
            (0..3).for_each(|place| drop(applied(&told, place).clone()));
            hand.take(&told, &edits);
        }
        sent_away
    });
    let sent_away: u32 = join_all(work).await.into_iter().sum();
    println!("{sent_away} rounds were sent away and came again");
    let mut late = centre.enrol(&wei).await;
    late.catch_up().await;
    let held = late.confirmed.keys().filter(|(_, part)| *part == Part::Open).count();
    assert_eq!(held, HANDHELDS * ROUNDS * 3);
}
