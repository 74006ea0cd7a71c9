//! Duplicates at the centre: found, merged side by side, decided on when something reaches the loser later, parted again.

use std::collections::BTreeMap;

use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use sync_server::auth::Who;
use sync_server::batch::{self, Format, Pull, Pulled, Since};
use sync_server::store::{self, PartFilter, StoreError, User};
use sync_server::sync::alias::{self, AliasError, Merging, Seen};

fn titles(centre: &Centre) -> Vec<String> {
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| {
        let mut titles = Vec::new();
        read.each_part(&PartFilter::default(), &mut |part| {
            titles.push(part.title);
            Ok(true)
        })?;
        assert_eq!(read.count_parts(&PartFilter::default())?, u64::try_from(titles.len()).unwrap());
        Ok(titles)
    })
    .unwrap()
}

fn seen(centre: &Centre, record: RecordId) -> Seen {
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| {
        let mut seen = Seen::default();
        for part in read.load_many(&[(record, Part::Open), (record, Part::Restricted)])? {
            let vector = batch::state(&part)?.vector().clone();
            match part.part {
                Part::Open => seen.open = vector,
                Part::Restricted => seen.restricted = vector,
            }
        }
        Ok(seen)
    })
    .unwrap()
}

fn who(centre: &Centre, user: &User) -> Who {
    Who::of(user.clone(), &centre.app.areas().unwrap())
}

fn merging(centre: &Centre, winner: RecordId, loser: RecordId) -> Merging {
    let (winner_seen, loser_seen) = (seen(centre, winner), seen(centre, loser));
    Merging { winner, winner_seen, loser, loser_seen, chosen: BTreeMap::new() }
}

const NUMBER: &str = "629999198001010019";

#[tokio::test]
async fn one_person_recorded_twice_becomes_one_and_two_again() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut juan = centre.enrol(&centre.person("juan", Role::GridMember, FAR_GRID, false)).await;
    let number = ("id_number", Value::text(NUMBER));
    let kept = resident(&mut wei, "张伟", GRID, &[number.clone(), ("phone", Value::text("13900000001"))]).await;
    let phone = ("phone", Value::text("13900000002"));
    let other = resident(&mut juan, "张 伟", FAR_GRID, &[number, phone]).await;
    resident(&mut wei, "李强", GRID, &[]).await;

    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page(&format!("/console/records/{kept}/merge")).await;
    assert!(page.contains("张 伟") && !page.contains("李强"), "the one with the same number: {page}");
    let pair = desk.page(&format!("/console/records/{kept}/merge?with={other}")).await;
    for said in ["13900000001", "13900000002", "保留", "并入"] {
        assert!(pair.contains(said), "{said}: {pair}");
    }
    let action = format!("/console/records/{kept}/merge");
    let page = desk.submit(&pair, &action, &[("take-phone", "other")]).await;
    assert!(page.contains("139****0002") && page.contains("已并入的重复档案"), "{page}");

    // One of them is left in lists, search and counts; the other's page says where it went.
    assert_eq!(titles(&centre), ["李强", "张伟"]);
    assert!(!desk.page("/console/records?q=%E5%BC%A0").await.contains("张 伟"));
    let gone = desk.page(&format!("/console/records/{other}")).await;
    assert!(gone.contains("已合并到") && gone.contains(&format!("/console/records/{kept}")), "{gone}");
    wei.catch_up().await;
    juan.catch_up().await;
    assert_eq!(wei.shown(kept, "phone"), "13900000002");
    assert!(!juan.holds(kept, Part::Open), "an alias gives nobody the right to read");
    let state = &juan.confirmed[&(other, Part::Open)];
    assert_eq!(shared::view::merged_into(state), Some(kept));

    // Vectors are never joined: the winner has not seen the loser's edits.
    let vector = wei.confirmed[&(kept, Part::Open)].vector();
    assert_eq!(vector.get(juan.slot), 0, "{vector:?}");

    // Only staff merge and part.
    let leader = Desk::logged_in(&centre, "leader").await;
    assert_eq!(leader.get(&format!("/console/records/{kept}/merge")).await.status(), StatusCode::FORBIDDEN);
    let theirs = leader.page(&format!("/console/records/{other}")).await;
    assert!(theirs.contains("已合并到") && !theirs.contains("/unmerge"), "{theirs}");

    let page = desk.submit(&gone, &format!("/console/records/{other}/unmerge"), &[]).await;
    assert!(!page.contains("已合并到"), "{page}");
    assert_eq!(titles(&centre).len(), 3);
}

#[tokio::test]
async fn what_reaches_the_duplicate_later_is_offered_where_it_went() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let kept = resident(&mut wei, "张伟", GRID, &[]).await;
    let other = resident(&mut wei, "张伟", GRID, &[("phone", Value::text("13900000001"))]).await;
    // Saved before the merge, offline; it arrives after it. A newer clock does not make it lead.
    wei.catch_up().await;
    let phone = wei.change(other, &[("phone", Value::text("13900000009")), ("note", Value::text("常年在外"))]);
    alias::merge(&centre.app, &who(&centre, &staff), &merging(&centre, kept, other)).unwrap();
    let desk = Desk::logged_in(&centre, "staff").await;
    let path = format!("/console/records/{kept}");
    assert!(!desk.page(&path).await.contains("有人又改了"));
    applied(&wei.sync(vec![phone.clone()]).await, 0);

    let page = desk.page(&path).await;
    for said in ["有人又改了", "139****0009", "常年在外", "wei的姓名"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Meanwhile something more comes in: what was not on the page is not decided on.
    let more = wei.change(other, &[("address", Value::text("粮站院内"))]);
    applied(&wei.sync(vec![more]).await, 0);
    let dot = format!("{}-{}", phone.dot.slot, phone.dot.n);
    let action = format!("{path}/merge");
    let page = desk.submit(&page, &action, &[("take-phone", dot.as_str())]).await;
    assert!(page.contains("139****0009"), "{page}");
    assert!(page.contains("有人又改了") && page.contains("粮站院内") && !page.contains("常年在外"), "{page}");
    let page = desk.submit(&page, &action, &[]).await;
    assert!(!page.contains("有人又改了"), "{page}");
    wei.catch_up().await;
    assert_eq!(wei.shown(kept, "phone"), "13900000009");
    assert!(wei.confirmed[&(kept, Part::Open)].live(&Path::field("address")).next().is_none(), "left where it was");
    assert_eq!(wei.confirmed[&(kept, Part::Open)].vector().get(wei.slot), 1, "the loser's edits are not the winner's");
}

#[tokio::test]
async fn restricted_values_are_for_the_cleared_also_when_somebody_else_merged() {
    let centre = Centre::open().await;
    let plain = person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    person(&centre, "cleared", Role::CenterStaff, TOWN, false, true);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let kept = resident(&mut wei, "张伟", GRID, &[]).await;
    let other = resident(&mut wei, "张伟", GRID, &[]).await;
    let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];
    let care = wei.care(other, &care.map(|(path, value)| (path, Value::text(value))));
    applied(&wei.sync(vec![care]).await, 0);
    let mut blind = merging(&centre, kept, other);
    blind.loser_seen.restricted = Default::default();
    alias::merge(&centre.app, &who(&centre, &plain), &blind).unwrap();
    let path = format!("/console/records/{kept}");
    let page = Desk::logged_in(&centre, "plain").await.page(&path).await;
    assert!(!page.contains("每周送餐") && !page.contains("有人又改了"), "{page}");
    // Clearance alone is not the right: an administrator never reads what is restricted.
    person(&centre, "admin", Role::Admin, TOWN, false, true);
    let page = Desk::logged_in(&centre, "admin").await.page(&path).await;
    assert!(page.contains("已并入的重复档案") && !page.contains("每周送餐"), "{page}");
    let desk = Desk::logged_in(&centre, "cleared").await;
    let page = desk.page(&path).await;
    assert!(page.contains("每周送餐"), "{page}");
    let page = desk.submit(&page, &format!("{path}/merge"), &[]).await;
    assert!(!page.contains("每周送餐"), "{page}");
}

#[tokio::test]
async fn merging_refuses_what_makes_no_sense_and_changes_nothing_then() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let narrow = person(&centre, "narrow", Role::CenterStaff, FAR_GRID, false, false);
    let leader = person(&centre, "leader", Role::GridLeader, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut ids = Vec::new();
    for name in ["一", "二", "三"] {
        ids.push(resident(&mut wei, name, GRID, &[]).await);
    }
    let event = wei.event("井盖", GRID);
    let event_id = event.record;
    wei.sync(vec![event]).await;
    let (who_staff, app) = (who(&centre, &staff), &centre.app);
    let merge = |who: &Who, winner, loser| alias::merge(app, who, &merging(&centre, winner, loser));
    assert!(matches!(merge(&who_staff, ids[0], ids[0]), Err(AliasError::NotAlike)));
    assert!(matches!(merge(&who_staff, ids[0], event_id), Err(AliasError::NotAlike)));
    assert!(matches!(merge(&who(&centre, &narrow), ids[0], ids[1]), Err(AliasError::NoSuchRecord)));
    assert!(matches!(merge(&who(&centre, &leader), ids[0], ids[1]), Err(AliasError::Rejected(_))));
    // One edit of two is refused: neither is there, and none lies in quarantine.
    let mut bad = merging(&centre, ids[0], ids[1]);
    bad.chosen.entry(Part::Open).or_default().insert(Path::field("phone"), Value::text("12"));
    assert!(matches!(alias::merge(app, &who_staff, &bad), Err(AliasError::Rejected(_))));
    let quarantine = store::read::<_, StoreError>(&*app.store, TOWN, |read| read.quarantine(false, 9)).unwrap();
    assert_eq!((quarantine.len(), titles(&centre).len()), (0, 4));

    merge(&who_staff, ids[0], ids[1]).unwrap();
    assert!(matches!(merge(&who_staff, ids[1], ids[2]), Err(AliasError::Elsewhere)), "it went elsewhere itself");
    assert!(matches!(merge(&who_staff, ids[2], ids[1]), Err(AliasError::Elsewhere)));
    merge(&who_staff, ids[2], ids[0]).unwrap();
    let alias = |id| store::read::<_, StoreError>(&*app.store, TOWN, |read| read.alias_of(id)).unwrap();
    assert_eq!(ids.iter().map(|id| alias(*id)).collect::<Vec<_>>(), [ids[2]; 3], "a duplicate of a duplicate");

    // Two people merged them into each other, far from any server: the smallest of the circle goes on, in lists too.
    let mut desk = centre.enrol(&staff).await;
    desk.catch_up().await;
    let circle = desk.change(ids[2], &[("merged_into", Value::of(&ids[1]))]);
    applied(&desk.sync(vec![circle]).await, 0);
    let smallest = *ids.iter().min().unwrap();
    assert_eq!(ids.iter().map(|id| alias(*id)).collect::<Vec<_>>(), [smallest; 3]);
    assert_eq!(titles(&centre).len(), 2, "one of the three, and the event");
}

#[tokio::test]
async fn a_batch_says_once_that_the_duplicate_is_no_more() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let kept = resident(&mut wei, "张伟", GRID, &[]).await;
    let other = resident(&mut wei, "张卫", GRID, &[]).await;
    let pull = Pull {
        user: &staff,
        areas: vec![TOWN],
        since: Since::Last,
        formats: vec![Format::Ndjson],
        unmasked: false,
        restricted: false,
        profile: None,
        photos: false,
        released: None,
        lang: assets::messages::Lang::Zh,
    };
    let app = &centre.app;
    let take = |pull: &Pull<'_>| match batch::pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &app.forms, pull)
        .unwrap()
    {
        Pulled::Sealed(sealed) => std::fs::read_to_string(sealed.folder.join("person.ndjson")).unwrap(),
        Pulled::NothingNew => String::new(),
    };
    assert_eq!(take(&pull).lines().count(), 2);
    centre.clock.advance(chrono::TimeDelta::seconds(5));
    alias::merge(app, &who(&centre, &staff), &merging(&centre, kept, other)).unwrap();
    let told = take(&pull);
    let line: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    assert_eq!((line["id"].as_str(), line["status"].as_str()), (Some(other.to_string().as_str()), Some("removed")));
    assert!(!told.contains("张卫"), "its values are told with the other: {told}");
    assert_eq!(take(&Pull { since: Since::All, ..pull }).lines().count(), 1);
}

#[tokio::test]
async fn of_sets_the_winner_gets_what_only_the_duplicate_had() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut place = async |element: &str, photo: &str| {
        let mut edit = wei.resident("东街一号楼", GRID);
        edit.kind = RecordKind::Place;
        edit.writes.insert(Path::field("type"), Value::text("building"));
        edit.writes.insert(Path::element("safety", element), Value::of(&true));
        link(&mut edit, &hash(&jpeg(8, 8, photo)));
        let record = edit.record;
        applied(&wei.sync(vec![edit]).await, 0);
        record
    };
    let (kept, other) = (place("gate", "正面").await, place("hydrant", "背面").await);
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page(&format!("/console/records/{kept}/merge")).await;
    assert!(page.contains(&format!("with={other}")), "of the same name: {page}");
    let page = desk.page(&format!("/console/records/{kept}/merge?with={other}")).await;
    let photo = format!("photos/{}", hash(&jpeg(8, 8, "背面")));
    assert!(page.contains(&photo) && page.contains("safety/hydrant") && !page.contains("safety/gate"), "{page}");
    let action = format!("/console/records/{kept}/merge");
    let mut fields: Vec<(String, String)> = hidden(&page, &action).into_iter().collect();
    fields.extend(["safety/hydrant", &photo].map(|path| ("element".to_owned(), path.to_owned())));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(desk.send(&action, &fields).await.status(), StatusCode::SEE_OTHER);
    wei.catch_up().await;
    let state = &wei.confirmed[&(kept, Part::Open)];
    assert_eq!(shared::view::many(state, "safety").len(), 2);
    assert_eq!(shared::view::many(state, "photos").len(), 2);
}
