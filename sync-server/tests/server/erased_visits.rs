//! Visits of somebody who was erased: what was found there tells of nobody but them, wherever it was when they went.

use crate::common::desk::*;
use crate::common::*;
use crate::erase::holding;
use shared::author::Role;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::RejectReason;
use sync_server::auth::Who;
use sync_server::erase::{Reason, erase};
use sync_server::retention;
use sync_server::store::{self, Origin, StoreError};
use sync_server::sync::accept::{Writer, accept_in};

const NAME: &str = "欧阳甲乙";
const FOUND: &str = "煤快烧完丙";

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_comes_after_the_erasure_is_kept_nowhere() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let who = resident(&mut wei, NAME, GRID, &[]).await;
    let mut shop = wei.resident("粮站", GRID);
    let place = shop.record;
    shop.kind = RecordKind::Organization;
    shop.writes.insert(Path::field("type"), Value::text("company"));
    applied(&wei.sync(vec![shop]).await, 0);
    // Saved without a network, and more said of it an hour later.
    let visit = wei.visit(Some(who), GRID, FOUND);
    let mut more = wei.edit(visit.record, RecordKind::Event, Part::Open, &[]);
    (more.form, more.context) = (2, [visit.dot].into_iter().collect());
    more.writes.insert(Path::field("promised"), Value::text(FOUND));
    erase(&centre.app, None, who, Reason::Request).unwrap();

    let answer = wei.sync(vec![visit.clone(), more.clone()]).await;
    for place in 0..2 {
        assert_eq!(rejected(&answer, place).reason, RejectReason::Erased, "{place}");
    }
    // Again, and what a colleague's handheld still says of it.
    assert_eq!(rejected(&wei.sync(vec![visit.clone(), more]).await, 1).reason, RejectReason::Erased);
    let mut later = far.edit(visit.record, RecordKind::Event, Part::Open, &[]);
    later.form = 2;
    later.writes.insert(Path::field("help_given"), Value::text(FOUND));
    assert_eq!(rejected(&far.sync(vec![later]).await, 0).reason, RejectReason::Erased);
    assert_eq!(holding(centre.folder.path(), &[FOUND]), [""; 0]);
    assert_eq!(sync_server::backup::verify_data(&centre.app).unwrap(), []);
    let desk = Desk::logged_in(&centre, "staff").await;
    assert!(desk.page("/console/quarantine").await.contains("都收下了"));

    // What was done at a place that is erased tells of more than the place.
    erase(&centre.app, None, place, Reason::Mistake).unwrap();
    let mut inspection = wei.visit(Some(place), GRID, "");
    inspection.writes.insert(Path::field("category"), Value::text("inspection"));
    inspection.writes.remove(&Path::field("found"));
    applied(&wei.sync(vec![inspection]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_was_refused_goes_with_whom_it_was_of() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let who = resident(&mut wei, NAME, GRID, &[]).await;
    let neighbour = resident(&mut wei, "邻居", GRID, &[]).await;
    // A form that this server does not have yet, and what follows on it.
    let mut refused = wei.visit(Some(who), GRID, FOUND);
    refused.form = 99;
    let record = refused.record;
    let mut more = wei.edit(record, RecordKind::Event, Part::Open, &[]);
    more.form = 2;
    more.writes.insert(Path::field("promised"), Value::text(FOUND));
    let mut other = wei.visit(Some(neighbour), GRID, "都好");
    other.form = 99;
    let answer = wei.sync(vec![refused, more, other]).await;
    assert_eq!(rejected(&answer, 0).reason, RejectReason::Unknown);
    rejected(&answer, 1);
    assert!(!holding(centre.folder.path(), &[FOUND]).is_empty());

    let desk = Desk::logged_in(&centre, "staff").await;
    let url = format!("/console/records/{who}/erase");
    let page = desk.page(&url).await;
    let done = desk.try_submit(&page, &url, &[("reason", "request"), ("typed", NAME)]).await;
    let (status, text) = (done.status(), done.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    assert_eq!(holding(centre.folder.path(), &[NAME, FOUND]), [""; 0]);
    let left = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| {
        assert!(read.erased()?.iter().any(|erased| erased.record == record));
        read.quarantine(false, 9)
    });
    assert_eq!(left.unwrap().len(), 1, "that of the neighbour stays");
    assert!(desk.page("/console/quarantine").await.contains("都好"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_comes_in_while_somebody_erases_goes_too() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut wei = centre.enrol(&user).await;
    let who = resident(&mut wei, NAME, GRID, &[]).await;
    let visit = wei.visit(Some(who), GRID, FOUND);
    let app = &centre.app;
    let rules = app.rules().unwrap();
    let writer = Writer { who: Who::of(user, &rules.areas), slot: wei.slot, origin: Origin::Device };
    let done = std::thread::scope(|scope| {
        let mut erasing = None;
        store::write::<_, StoreError>(&*app.store, TOWN, |tx| {
            // The clock moves a millisecond each time it is asked: what it moved more was not asked here.
            let begun = centre.clock.now();
            erasing = Some(scope.spawn(|| erase(app, None, who, Reason::Request).unwrap()));
            // Until whoever erases has looked at the clock; the visit is being taken in.
            let mut asked = 1;
            while (centre.clock.now() - begun).num_milliseconds() <= asked {
                asked += 1;
                std::thread::yield_now();
            }
            accept_in(tx, &rules, &writer, vec![visit.clone()])
        })
        .unwrap();
        erasing.unwrap().join().unwrap()
    });
    assert_eq!(done.records, [who, visit.record]);
    assert_eq!(holding(centre.folder.path(), &[NAME, FOUND]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_whose_time_is_over_go_at_once_each_with_their_visits() {
    let centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut wei = centre.enrol(&user).await;
    let (mut gone, mut visits) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let who = resident(&mut wei, &format!("{NAME}{n}"), GRID, &[]).await;
        gone.push(who);
        for _ in 0..2 {
            let visit = wei.visit(Some(who), GRID, FOUND);
            visits.push(visit.record);
            applied(&wei.sync(vec![visit]).await, 0);
        }
    }
    let stays = resident(&mut wei, "邻居", GRID, &[]).await;
    let visit = wei.visit(Some(stays), GRID, "都好");
    let kept = visit.record;
    applied(&wei.sync(vec![visit]).await, 0);
    wei.catch_up().await;
    let delete = gone.iter().map(|who| wei.change(*who, &[("deleted", Value::of(&true))])).collect();
    applied(&wei.sync(delete).await, 29);

    centre.clock.advance(chrono::TimeDelta::days(3 * 366));
    // Somebody has just written in that of the neighbour.
    let mut wei = centre.enrol(&user).await;
    wei.catch_up().await;
    let again = wei.edit(kept, RecordKind::Event, Part::Open, &[("title", Value::text("走访"))]);
    applied(&wei.sync(vec![again]).await, 0);
    let done = retention::run(&centre.app).unwrap();
    let mut expected = [gone, visits].concat();
    let mut records = done.records;
    expected.sort();
    records.sort();
    assert_eq!(records, expected);
    assert_eq!(holding(centre.folder.path(), &[FOUND]), [""; 0]);
    wei.catch_up().await;
    assert!(wei.holds(kept, Part::Open) && wei.holds(stays, Part::Open));
}
