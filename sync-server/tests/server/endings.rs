//! 停用, 清除 and 被盗 on the page 终端, and what the terminal hears at its next request.

use crate::common::desk::*;
use crate::common::*;
use shared::author::Role;
use shared::outside::Outside;
use sync_server::auth::enrol::TOKEN;
use sync_server::auth::people::{UserChange, change_user};
use sync_server::erase::doom::doom;
use sync_server::store::{self, Fate, StoreError};

/// Where the row of the only terminal leads.
fn ending(page: &str) -> String {
    let at = page.find("/console/terminals/").and_then(|_| page.find("/end\"")).expect("a link");
    let from = page[..at].rfind('"').unwrap() + 1;
    page[from..at + "/end".len()].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_revoke_a_terminal_and_its_next_request_is_refused() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let end = ending(&desk.page("/console/terminals").await);
    let page = desk.page(&end).await;
    for said in ["停用", "清除", "被盗，立即清除", "先把没传的传完", "没传的也不要了"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // A form that says something else does nothing.
    let csrf = hidden(&page, &end)["csrf"].clone();
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "handed_over")]).await.status(), 422);
    assert_eq!(alice.try_sync(vec![]).await.status(), 200);

    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "revoked")]).await.status(), 303);
    assert_eq!(refusal(alice.try_sync(vec![]).await, 401).await.code, "token_revoked");
    let path =
        format!("/api/v1/records/{}/history", shared::ids::RecordId(shared::outside::Outside::uuid(&*centre.clock)));
    let history = centre.send(reqwest::Method::GET, &path, Some(&alice.token), vec![], &[]).await;
    assert_eq!(history.status(), 401, "by every door");
    assert!(desk.page("/console/terminals").await.contains("已停用"));
    assert!(desk.audit().await.contains("停用了终端"));
    // Who keeps a copy of it meanwhile: stolen says more, and reading is not all that is refused.
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "stolen")]).await.status(), 303);
    let edit = alice.resident("假", GRID);
    assert_eq!(refusal(alice.try_sync(vec![edit]).await, 401).await.code, "token_wipe");
    let done = centre.post("/api/v1/wiped", Some(&alice.token), vec![], &[]).await;
    assert_eq!(done.status(), 204);
    assert_eq!(refusal(alice.try_sync(vec![]).await, 401).await.code, "token_revoked", "it is over");
    let page = desk.page("/console/terminals").await;
    assert!(page.contains("已清除") && !page.contains("/end\""), "nothing more to end: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_and_the_administrator_end_terminals() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, GRID, false, false);
    let end = ending(&Desk::logged_in(&centre, "staff").await.page("/console/terminals").await);
    let leader = Desk::logged_in(&centre, "leader").await;
    assert!(!leader.get(&end).await.status().is_success());
    let csrf = hidden(&leader.page("/console").await, "/console/logout")["csrf"].clone();
    let refused = leader.send(&end, &[("csrf", &csrf), ("fate", "stolen")]).await.status();
    assert!(refused.is_client_error(), "{refused}");
    // Nobody was told to wipe: a terminal cannot end itself so, and is served on.
    assert_eq!(
        refusal(centre.post("/api/v1/wiped", Some(&alice.token), vec![], &[]).await, 409).await.code,
        "not_told_to_wipe"
    );
    assert_eq!(alice.try_sync(vec![]).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_to_be_wiped_is_so_under_whatever_slot_it_goes_on() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let alice = centre.enrol(&wei).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let end = ending(&desk.page("/console/terminals").await);
    let csrf = hidden(&desk.page(&end).await, &end)["csrf"].clone();
    // A copy of its files went on under a slot of its own before, another one does after it was said.
    let before = alice.copy().part().await;
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "wipe")]).await.status(), 303);
    let after = alice.copy().part().await;
    for (mut copy, which) in [(before, "before"), (after, "after")] {
        let edit = copy.resident("还没传的", GRID);
        let told = copy.sync(vec![edit]).await;
        assert!(told.wipe, "it delivers what it has and hears that it is to erase itself, also what went on {which}");
        applied(&told, 0);
    }
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "stolen")]).await.status(), 303);
    let last = alice;
    assert_eq!(refusal(last.try_sync(vec![]).await, 401).await.code, "token_wipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_does_not_let_a_stolen_terminal_in_again() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, GRID, false)).await;
    alice.catch_up().await;
    bob.catch_up().await;
    let yesterday = centre.copy();
    let id = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.devices())
        .unwrap()
        .into_iter()
        .find(|device| device.user == wei.id)
        .unwrap()
        .id;
    let now = centre.clock.now();
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| doom(&centre.app, tx, id, Fate::Stolen, now)).unwrap();
    // Somebody puts yesterday's database back into the folder; the list lies in no backup.
    std::fs::copy(centre.folder.path().join("erased.list"), yesterday.path().join("erased.list")).unwrap();
    let restored = centre.put_back(yesterday).await;
    let alice = alice.at(&restored);
    assert_eq!(refusal(alice.try_sync(vec![]).await, 401).await.code, "token_wipe");
    assert_eq!(bob.at(&restored).try_sync(vec![]).await.status(), 200, "nobody else");
}

/// Where the page of one person's terminal leads.
fn end_of(centre: &Centre, user: &sync_server::store::User) -> String {
    let devices = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.devices()).unwrap();
    format!("/console/terminals/{}/end", devices.into_iter().find(|device| device.user == user.id).unwrap().id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_stolen_terminal_afterwards_does_not_soften_it() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    for login in ["staff", "other"] {
        person(&centre, login, Role::CenterStaff, TOWN, false, false);
    }
    let desk = Desk::logged_in(&centre, "staff").await;
    let end = end_of(&centre, &wei);
    // A copy of its files went on; whoever said 停用 of that one meant no less of the one it was copied from.
    let copy = alice.copy().part().await;
    // The page lies open in another window while somebody reports it stolen.
    let csrf = hidden(&desk.page(&end).await, &end)["csrf"].clone();
    let yesterday = centre.copy();
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "stolen")]).await.status(), 303);
    for softer in ["revoked", "wipe"] {
        let refused = desk.send(&end, &[("csrf", &csrf), ("fate", softer)]).await;
        assert_eq!(refused.status(), 422, "{softer}");
        let page = refused.text().await.unwrap();
        assert!(page.contains("已经报了被盗") && page.contains("没有改动"), "{page}");
    }
    let page = desk.page(&end).await;
    assert!(
        page.contains("已经报了被盗") && !page.contains("value=\"wipe\"") && !page.contains("value=\"revoked\""),
        "{page}"
    );
    for hand in [&alice, &copy] {
        assert_eq!(refusal(hand.try_sync(vec![]).await, 401).await.code, "token_wipe");
    }
    let audit = desk.audit().await;
    assert!(
        audit.contains("终端报被盗") && !audit.contains("停用了终端") && !audit.contains("下令清除终端"),
        "{audit}"
    );

    // Nor does a restored database, nor a list from when the last word counted.
    let old = std::fs::read_to_string(centre.folder.path().join("erased.list")).unwrap();
    let line = old.lines().find(|line| line.contains("stolen")).unwrap();
    let later = centre.clock.now().timestamp_millis();
    let mut words: Vec<&str> = line.split(' ').collect();
    let later = later.to_string();
    (words[3], words[4]) = (&later, "revoked");
    std::fs::write(yesterday.path().join("erased.list"), format!("{old}\n{}\n", words.join(" "))).unwrap();
    let restored = centre.put_back(yesterday).await;
    let alice = alice.at(&restored);
    assert_eq!(refusal(alice.try_sync(vec![]).await, 401).await.code, "token_wipe");
    // What came to pass ends it.
    assert_eq!(restored.post("/api/v1/wiped", Some(&alice.token), vec![], &[]).await.status(), 204);
    let desk = Desk::logged_in(&restored, "other").await;
    let csrf = hidden(&desk.page("/console").await, "/console/logout")["csrf"].clone();
    for fate in ["revoked", "wipe", "stolen"] {
        let refused = desk.send(&end, &[("csrf", &csrf), ("fate", fate)]).await;
        assert_eq!(refused.status(), 422, "{fate}");
        assert!(refused.text().await.unwrap().contains("已经清除或已交机"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wipe_that_waited_for_another_person_comes_too_late_for_a_stolen_terminal() {
    let centre = Centre::open().await;
    for login in ["staff", "other"] {
        person(&centre, login, Role::CenterStaff, TOWN, false, false);
    }
    let (desk, other) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "other").await);
    let csrf_of = async |desk: &Desk<'_>| hidden(&desk.page("/console").await, "/console/logout")["csrf"].clone();
    let (csrf, others) = (csrf_of(&desk).await, csrf_of(&other).await);
    let mut last = None;
    for n in 0..4 {
        let user = centre.person(&format!("member{n}"), Role::GridMember, GRID, false);
        let hand = centre.enrol(&user).await;
        let end = end_of(&centre, &user);
        assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "wipe")]).await.status(), 303);
        last = Some((hand, end));
    }
    let (hand, end) = last.unwrap();
    let page = other.page("/console/terminals").await;
    let release = action(&page, "/release\"").unwrap();
    assert_eq!(other.send(&end, &[("csrf", &others), ("fate", "stolen")]).await.status(), 303);
    let answer = other.try_submit(&page, &release, &[]).await;
    assert_eq!(answer.status(), 422);
    assert!(answer.text().await.unwrap().contains("已经报了被盗"));
    assert_eq!(refusal(hand.try_sync(vec![]).await, 401).await.code, "token_wipe");
    assert!(!desk.page("/console/terminals").await.contains("等另一人同意"), "it waits no more");
    let audit = desk.audit().await;
    assert!(
        audit.contains("stands stolen asked_by"),
        "who released it is written down, and that it changed nothing: {audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_empties_a_towns_terminals_alone() {
    let centre = Centre::open().await;
    for login in ["staff", "other"] {
        person(&centre, login, Role::CenterStaff, TOWN, false, false);
    }
    let (desk, other) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "other").await);
    let csrf = hidden(&desk.page("/console").await, "/console/logout")["csrf"].clone();
    let mut hands = Vec::new();
    for n in 0..5 {
        let user = centre.person(&format!("member{n}"), Role::GridMember, GRID, false);
        let hand = centre.enrol(&user).await;
        let devices = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.devices()).unwrap();
        let id = devices.into_iter().find(|device| device.user == user.id).unwrap().id;
        hands.push((hand, format!("/console/terminals/{id}/end")));
    }
    for (hand, end) in &hands {
        assert_eq!(desk.send(end, &[("csrf", &csrf), ("fate", "stolen")]).await.status(), 303);
        // A second word on the same one is no second one.
        assert_eq!(desk.send(end, &[("csrf", &csrf), ("fate", "stolen")]).await.status(), 303);
        let _ = hand;
    }
    for (place, (hand, _)) in hands.iter().enumerate() {
        let expected = if place < 3 { 401 } else { 200 };
        assert_eq!(hand.copy().try_sync(vec![]).await.status(), expected, "the {place}th");
    }
    let page = desk.page("/console/terminals").await;
    assert!(page.contains("等另一人同意") && action(&page, "/release\"").is_none(), "not by who asked: {page}");
    let page = other.page("/console/terminals").await;
    let release = action(&page, "/release\"").unwrap();
    let forged = desk.send(&release, &[("csrf", &csrf)]).await.status();
    assert_eq!(forged, 403, "whoever asked cannot release it by hand either");
    other.submit(&page, &release, &[]).await;
    let mut served = Vec::new();
    for (hand, end) in &hands[3..] {
        if hand.copy().try_sync(vec![]).await.status() == 200 {
            served.push((hand.copy(), end.clone()));
        }
    }
    assert_eq!(served.len(), 1, "the other was released");
    // Revoking erases nothing: it is not limited.
    let (hand, end) = served.remove(0);
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "revoked")]).await.status(), 303);
    assert_eq!(hand.try_sync(vec![]).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_was_told_to_erase_itself_says_that_it_did_however_late_it_comes() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let (stolen, left) =
        (centre.enrol(&wei).await, centre.enrol(&centre.person("li", Role::GridMember, GRID, false)).await);
    let desk = Desk::logged_in(&centre, "staff").await;
    let csrf = hidden(&desk.page("/console").await, "/console/logout")["csrf"].clone();
    let end = end_of(&centre, &wei);
    assert_eq!(desk.send(&end, &[("csrf", &csrf), ("fate", "stolen")]).await.status(), 303);

    // It lay in a ditch for half a year; its user works elsewhere by now.
    centre.clock.advance(TOKEN + TOKEN);
    let gone = UserChange { active: Some(false), ..UserChange::default() };
    change_user(&centre.app, &wei, gone).unwrap();
    assert_eq!(refusal(stolen.try_sync(vec![]).await, 401).await.code, "token_wipe");
    let wiped = async |hand: &Handheld<'_>| centre.post("/api/v1/wiped", Some(&hand.token), vec![], &[]).await;
    assert_eq!(wiped(&stolen).await.status(), 204);
    assert!(Desk::logged_in(&centre, "staff").await.page("/console/terminals").await.contains("已清除"));
    // Nobody told the other one anything.
    assert_eq!(refusal(wiped(&left).await, 401).await.code, "token_expired");
}
