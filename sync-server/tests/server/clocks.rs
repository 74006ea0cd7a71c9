//! A clock that is years off, by mistake or on purpose, decides nothing and breaks nothing.

use crate::common::desk::*;
use crate::common::*;
use chrono::{DateTime, Utc};
use shared::author::Role;
use shared::edit::Edit;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{RejectReason, Remain, SyncRequest};
use sync_server::store::{self, StoreError};
use sync_server::sync::epoch::{self, Why};

/// The ends of the calendar, to the second.
fn ends() -> [DateTime<Utc>; 2] {
    [DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC]
        .map(|end| DateTime::from_timestamp(end.timestamp(), 0).unwrap_or(end))
}

fn at(mut edit: Edit, at: DateTime<Utc>) -> Edit {
    edit.at = at;
    edit
}

#[tokio::test]
async fn a_clock_at_the_end_of_the_calendar_breaks_no_page() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let who = resident(&mut wei, "张伟", GRID, &[]).await;
    let mut lin = centre.enrol(&centre.person("lin", Role::Informant, GRID, false)).await;
    let mut events = Vec::new();
    for end in ends() {
        // Reported, and left out because it is not theirs to write.
        let report = at(lin.event("井盖破损", GRID), end);
        events.push(report.record);
        applied(&lin.sync(vec![report]).await, 0);
        let foreign = lin.edit(who, RecordKind::Person, Part::Open, &[("phone", Value::text("13912345678"))]);
        assert_eq!(rejected(&lin.sync(vec![at(foreign, end)]).await, 0).reason, RejectReason::NotAllowed);
    }

    let desk = Desk::logged_in(&centre, "staff").await;
    for page in ["/console", "/console/inbox", "/console/records"] {
        assert!(desk.page(page).await.contains("井盖破损"), "{page}");
    }
    for event in &events {
        // With its history.
        let page = desk.page(&format!("/console/records/{event}")).await;
        assert!(page.contains("井盖破损") && page.contains("lin的姓名"), "{page}");
        desk.page(&format!("/console/inbox?e={event}")).await;
    }
    assert_eq!(desk.page("/console/quarantine").await.matches("139****5678").count(), 2);
    let page = desk.page("/console/batches").await;
    desk.submit(&page, "/console/batches", &[("format", "csv"), ("since", "all")]).await;
    assert!(desk.page("/console/batches/2026-001/event.csv").await.contains("井盖破损"));

    // And what is still shown after a restore.
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        epoch::begin(tx, centre.clock.now(), 0, Why::Restored)
    })
    .unwrap();
    let remains = ends().map(|end| Remain {
        edit: shared::ids::EditId::fresh(&*centre.clock),
        record: who,
        kind: RecordKind::Person,
        part: Part::Open,
        path: "address".parse().unwrap(),
        value: Value::text("旧粮站院内"),
        at: end,
        author: wei.author.clone(),
    });
    let request = SyncRequest { remains: remains.to_vec(), ..wei.request(vec![]) };
    answer(wei.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    assert_eq!(desk.page("/console/remains").await.matches("旧粮站院内").count(), 2);
}
