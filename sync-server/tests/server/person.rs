//! All about one person goes to that person, whole, and to nobody alone; nothing of others goes with it.

use std::collections::BTreeMap;
use std::io::Read as _;

use crate::common::audit::{entries, run};
use crate::common::desk::*;
use crate::common::tus::*;
use crate::common::*;
use assets::messages::Lang;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};
use sync_server::auth::Who;
use sync_server::erase::{Reason as Why, erase};
use sync_server::person::approval::{Wanted, ask, release, released};
use sync_server::person::{PersonError, Reason, pack, ready, take};
use sync_server::store::User;
use sync_server::sync::alias::{Merging, Seen, merge};

const NAME: &str = "欧阳甲乙";
const PHONE: &str = "13987654321";
const OTHER_PHONE: &str = "13811112222";
const WAS: &str = "旧粮站院内";
const CARE: &str = "每周送餐甲";
const NEIGHBOUR: &str = "邻居丙丁";
const TOLD: &str = "是隔壁老周告诉我的";

fn files(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    let mut read = |name: &String| {
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    names.iter().map(|name| (name.clone(), read(name))).collect()
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

fn who(centre: &Centre, user: &User) -> Who {
    Who::of(user.clone(), &centre.app.areas().unwrap())
}

/// Two of the staff who may, and a grid member's handheld.
async fn town(centre: &Centre) -> (User, User, Handheld<'_>) {
    let first = person(centre, "staff", Role::CenterStaff, TOWN, true, true);
    let second = person(centre, "second", Role::CenterStaff, TOWN, true, true);
    (first, second, centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await)
}

/// Somebody with a history, care, a photo, two phone numbers side by side, a duplicate, a change that was not taken, an
/// event that an informant reported, and a neighbour in the household.
async fn known<'a>(centre: &'a Centre, staff: &User, alice: &mut Handheld<'a>) -> (RecordId, RecordId, Vec<u8>) {
    let record = resident(alice, NAME, GRID, &[("address", Value::text(WAS))]).await;
    let edit = alice.change(record, &[("address", Value::text("新村三号")), ("phone", Value::text("13700000000"))]);
    applied(&alice.sync(vec![edit]).await, 0);
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, GRID, false)).await;
    bob.catch_up().await;
    for (hand, phone) in [(&mut *alice, PHONE), (&mut bob, OTHER_PHONE)] {
        let edit = hand.change(record, &[("phone", Value::text(phone))]);
        applied(&hand.sync(vec![edit]).await, 0);
    }
    let care = [("care_reason", "独居"), ("care_until", "2027-12-31"), ("care_note", CARE)];
    let care = alice.care(record, &care.map(|(path, value)| (path, Value::text(value))));
    applied(&alice.sync(vec![care]).await, 0);
    let photo = jpeg(8, 8, "本人");
    let mut edit = alice.change(record, &[]);
    link(&mut edit, &hash(&photo));
    applied(&alice.sync(vec![edit]).await, 0);
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    let foreign = far.change(record, &[("note", Value::text("没有收下的话"))]);
    rejected(&far.sync(vec![foreign]).await, 0);
    let neighbour = resident(alice, NEIGHBOUR, GRID, &[("householder", Value::of(&record))]).await;

    let mut zhou = centre.enrol(&centre.person("zhou", Role::Informant, GRID, false)).await;
    let mut event = zhou.event("楼道堆物", GRID);
    event.writes.insert(format!("concerns/{record}").parse().unwrap(), Value::of(&true));
    event.writes.insert(format!("concerns/{neighbour}").parse().unwrap(), Value::of(&true));
    event.writes.insert("account".parse().unwrap(), Value::text(TOLD));
    applied(&zhou.sync(vec![event]).await, 0);
    let event = zhou.event("与此人无关", GRID);
    applied(&zhou.sync(vec![event]).await, 0);

    let double = resident(alice, "欧阳甲已", GRID, &[]).await;
    alice.catch_up().await;
    let seen = |id| Seen { open: alice.confirmed[&(id, Part::Open)].vector().clone(), restricted: Default::default() };
    let merging = Merging {
        winner: record,
        winner_seen: seen(record),
        loser: double,
        loser_seen: seen(double),
        chosen: Default::default(),
    };
    merge(&centre.app, &who(centre, staff), &merging).unwrap();
    (record, double, photo)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_all_that_is_kept_about_them_and_nothing_of_others() {
    let centre = Centre::open().await;
    let (staff, _, mut alice) = town(&centre).await;
    let (record, double, photo) = known(&centre, &staff, &mut alice).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let second = Desk::logged_in(&centre, "second").await;
    let fill = [("format", "csv"), ("since", "all"), ("unmasked", "true"), ("restricted", "true")];
    desk.seal_with(&second, &fill).await;
    // Somebody looks at the whole number; it is told of.
    let page = second.page(&format!("/console/records/{record}")).await;
    let unmask = format!("/console/records/{record}/unmask");
    assert_eq!(second.try_submit(&page, &unmask, &[("field", "phone")]).await.status(), StatusCode::OK);

    // By the duplicate too one gets to the person.
    let url = format!("/console/records/{double}/person");
    assert!(desk.page(&format!("/console/records/{double}")).await.contains(&url));
    let page = desk.submit(&desk.page(&url).await, &url, &[("reason", "request")]).await;
    assert!(page.contains("等另一人同意") && action(&page, "/release\"").is_none(), "{page}");
    let page = second.page("/console/batches").await;
    let release = action(&page, "/release\"").unwrap();
    second.submit(&page, &release, &[]).await;
    let waiting = desk.page(&url).await;
    let take = action(&waiting, "/take\"").unwrap();
    let response = desk.try_submit(&waiting, &take, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let name = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(name.contains(&double.to_string()) && name.ends_with(".zip\""), "{name}");
    let files = files(&response.bytes().await.unwrap());

    let page = text(&files, "index.html");
    let json: serde_json::Value = serde_json::from_str(&text(&files, "person.json")).unwrap();
    let history = text(&files, "history.ndjson");
    for shown in
        [NAME, "欧阳甲已", PHONE, OTHER_PHONE, "新村三号", CARE, "2027-12-31", "没有收下的话", "楼道堆物", "2026-001"]
    {
        assert!(page.contains(shown), "the page does not say {shown}: {page}");
    }
    assert!(page.contains("两种说法") && page.contains("另一位居民") && page.contains("经过"), "{page}");
    assert!(page.contains("查看完整号码") || page.contains("phone"), "{page}");
    assert_eq!(json["records"][0]["id"], record.to_string());
    assert_eq!(json["records"][1]["merged_into"], record.to_string());
    let phones =
        &json["records"][0]["fields"].as_array().unwrap().iter().find(|it| it["path"] == "phone").unwrap()["values"];
    assert_eq!(phones.as_array().unwrap().len(), 2, "both that stand");
    assert!(history.contains(WAS) && history.contains("13700000000") && history.contains("wei的姓名"), "{history}");
    assert_eq!(files[&format!("photos/{}.jpg", hash(&photo))], photo);
    assert_eq!(json["events"].as_array().unwrap().len(), 1);
    assert_eq!(json["events"][0]["others"]["person"], 1);
    assert_eq!(json["readers"]["grid_member"], serde_json::json!({ "open": 2, "restricted": 1 }));
    let looked: Vec<&str> =
        json["looked"].as_array().unwrap().iter().map(|look| look["action"].as_str().unwrap()).collect();
    for action in ["audit-unmask", "audit-restricted", "audit-merge", "audit-person-asked", "audit-person-released"] {
        assert!(looked.contains(&action), "{action} in {looked:?}");
    }
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        for other in [NEIGHBOUR, "zhou的姓名", TOLD, "与此人无关", "测试机"] {
            assert!(!text.contains(other), "{name} says {other}");
        }
    }

    // Once; and what is written down names who and which records, no value.
    assert_eq!(desk.try_submit(&waiting, &take, &[]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let taken: Vec<_> =
        entries(&centre.app, TOWN).into_iter().filter(|entry| entry.action == "audit-person-exported").collect();
    assert_eq!(
        taken.iter().map(|entry| entry.subject.clone()).collect::<Vec<_>>(),
        [record, double].map(|id| id.to_string())
    );
    assert!(
        taken.iter().all(|entry| entry.user() == Some(staff.id) && entry.detail.starts_with("request released_by "))
    );
    let audit = desk.audit().await;
    assert!(audit.contains("取出了一个人的全部资料") && !audit.contains(NAME) && !audit.contains(PHONE), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_who_may_see_everything_take_it_out_and_never_alone() {
    let centre = Centre::open().await;
    let (staff, second, mut alice) = town(&centre).await;
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    let place = alice.event("井盖破损", GRID);
    let event = place.record;
    applied(&alice.sync(vec![place]).await, 0);
    let url = format!("/console/records/{record}/person");
    for role in Role::ALL {
        for (unmask, cleared) in [(false, false), (true, false), (false, true), (true, true)] {
            let login = format!("{}-{unmask}-{cleared}", role.code());
            person(&centre, &login, role, TOWN, unmask, cleared);
            let desk = Desk::logged_in(&centre, &login).await;
            let may = role == Role::CenterStaff && unmask && cleared;
            let status = desk.get(&url).await.status();
            let denied = matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
            assert_eq!(status == StatusCode::OK, may, "{login}: {status}");
            assert!(may || denied, "{login}: {status}");
            if !may {
                let page = desk.page("/console").await;
                let csrf = hidden(&page, "/console/logout")["csrf"].clone();
                let status = desk.send(&url, &[("csrf", &csrf), ("reason", "request")]).await.status();
                assert!(matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "{login} asks: {status}");
            }
        }
    }
    // Of the town, not of a part of it: the person may be named anywhere.
    let part = person(&centre, "part", Role::CenterStaff, shared::area::AreaId(10), true, true);
    let wanted = Wanted { record, reason: Reason::Request };
    assert!(matches!(ask(&centre.app, &who(&centre, &part), wanted), Err(PersonError::NotAllowed)));

    let (staff, second) = (who(&centre, &staff), who(&centre, &second));
    let no = Wanted { record: event, ..wanted };
    assert!(matches!(ask(&centre.app, &staff, no), Err(PersonError::NoPerson)));
    let id = ask(&centre.app, &staff, wanted).unwrap();
    assert!(matches!(release(&centre.app, &staff, id), Err(PersonError::NotReleased)), "not one's own");
    assert!(matches!(take(&centre.app, &staff, id, Lang::Zh), Err(PersonError::NotReleased)), "not yet");
    release(&centre.app, &second, id).unwrap();
    assert!(
        matches!(take(&centre.app, &second, id, Lang::Zh), Err(PersonError::NotReleased)),
        "who asked, nobody else"
    );
    centre.clock.advance(TimeDelta::hours(25));
    assert!(matches!(take(&centre.app, &staff, id, Lang::Zh), Err(PersonError::NotReleased)), "a day is over");
    let id = ask(&centre.app, &staff, wanted).unwrap();
    release(&centre.app, &second, id).unwrap();
    take(&centre.app, &staff, id, Lang::Zh).unwrap();
    assert!(matches!(take(&centre.app, &staff, id, Lang::Zh), Err(PersonError::NotReleased)), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reported_an_event_of_somebody_is_not_told_to_them_by_any_of_their_steps() {
    let centre = Centre::open().await;
    let (staff, _, mut alice) = town(&centre).await;
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    // A colleague, known by name to everybody who works with it, reports something of this person, urges, and says that it
    // did not help; staff dispatch it and a third one handles it.
    let mut lin = centre.enrol(&centre.person("lin", Role::GridMember, GRID, false)).await;
    let mut desk = centre.enrol(&staff).await;
    let mut event = lin.event("楼道堆物", GRID);
    event.writes.insert(format!("concerns/{record}").parse().unwrap(), Value::of(&true));
    let id = event.record;
    applied(&lin.sync(vec![event]).await, 0);
    let dispatch = StepEntry { host: alice.author.user, limit: Some(Limit::Days(3)), ..step(Step::Dispatch) };
    let done = StepEntry { done: Some(true), ..step(Step::Handle) };
    let feedback = StepEntry { satisfied: Some(false), ..step(Step::Feedback) };
    let urge = step(Step::Urge);
    for (by, entry) in [("lin", &urge), ("desk", &dispatch), ("lin", &urge), ("alice", &done), ("lin", &feedback)] {
        let hand = match by {
            "lin" => &mut lin,
            "desk" => &mut desk,
            _ => &mut alice,
        };
        hand.catch_up().await;
        let edit = hand.step(id, entry);
        applied(&hand.sync(vec![edit]).await, 0);
    }
    let wanted = Wanted { record, reason: Reason::Request };
    let mut bytes = Vec::new();
    pack(&centre.app, &ready(&centre.app, &who(&centre, &staff), &wanted, Lang::Zh).unwrap(), &mut bytes).unwrap();
    let files = files(&bytes);
    let json: serde_json::Value = serde_json::from_str(&text(&files, "person.json")).unwrap();
    let steps = json["events"][0]["steps"].as_array().unwrap();
    let told: Vec<_> = steps.iter().map(|step| (step["step"].as_str().unwrap(), step["by"]["name"].as_str())).collect();
    let (wei, staff) = (Some("wei的姓名"), Some("staff的姓名"));
    let expected =
        [("report", None), ("urge", None), ("dispatch", staff), ("urge", None), ("handle", wei), ("feedback", None)];
    assert_eq!(told, expected, "what was done is told, and by whom, but of who reported it");
    let by_role = steps.iter().any(|step| !step["by"].is_null() && step["by"]["name"].is_null());
    assert!(!by_role, "nor is their role, or where they work: {steps:?}");
    for (name, bytes) in &files {
        assert!(!String::from_utf8_lossy(bytes).contains("lin的姓名"), "{name} says who reported it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_writes_the_same_bytes_for_the_same_data_and_over_nothing() {
    let centre = Centre::open().await;
    let (staff, second, mut alice) = town(&centre).await;
    let (record, ..) = known(&centre, &staff, &mut alice).await;
    let (staff, second) = (who(&centre, &staff), who(&centre, &second));
    let wanted = Wanted { record, reason: Reason::Proxy };
    let packed = || {
        let mut bytes = Vec::new();
        pack(&centre.app, &ready(&centre.app, &staff, &wanted, Lang::En).unwrap(), &mut bytes).unwrap();
        bytes
    };
    let first = packed();
    centre.clock.advance(TimeDelta::days(400));
    assert!(first == packed(), "the same data, another file");

    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("copy.zip");
    let (data, id) = (centre.folder.path().to_str().unwrap(), record.to_string());
    let args = ["person-export", "--data", data, "--record", &id, "--login", "staff", "--reason", "proxy", "--to"];
    let export = || run(&[&args[..], &[to.to_str().unwrap()]].concat());
    let (well, said) = export();
    assert!(!well && said.contains("Another person with the same rights has to release it"), "{said}");
    assert!(!to.exists());
    // The command goes by the real clock, and so does what is asked for here.
    let app =
        sync_server::AppState::open(centre.folder.path(), std::sync::Arc::new(sync_server::system::System)).unwrap();
    let asked = |wanted| {
        let id = ask(&app, &staff, wanted).unwrap();
        release(&app, &second, id).unwrap();
    };
    asked(wanted);
    std::fs::write(&to, "something else").unwrap();
    let (well, said) = export();
    assert!(!well && said.contains("not overwritten"), "{said}");
    assert_eq!(std::fs::read(&to).unwrap(), b"something else");
    assert!(released(&app, &staff, wanted).is_ok(), "it was not used up");
    std::fs::remove_file(&to).unwrap();
    // What a command that was killed left goes; what another one is just writing stays, and so do files of other names.
    let beside = ["copy.zip.4711.part", "copy.zip.4712.part", "copy.zip.mine.part"].map(|name| out.path().join(name));
    for part in &beside {
        std::fs::write(part, NAME).unwrap();
    }
    let writing = std::fs::File::open(&beside[1]).unwrap();
    writing.lock().unwrap();
    let (well, said) = export();
    assert!(well && said.contains("copy.zip"), "{said}");
    assert_eq!(beside.each_ref().map(|part| part.exists()), [false, true, true]);
    drop(writing);
    for part in &beside[1..] {
        std::fs::remove_file(part).unwrap();
    }
    let page = text(&files(&std::fs::read(&to).unwrap()), "index.html");
    assert!(page.contains(NAME) && page.contains("What is kept about you") && !page.contains("person-"), "{page}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1, "nothing beside it");
    assert!(!export().0, "once");

    // Of who was erased it says so, and that nothing is kept.
    erase(&centre.app, None, record, Why::Request).unwrap();
    asked(wanted);
    std::fs::remove_file(&to).unwrap();
    let (well, said) = export();
    assert!(well, "{said}");
    let files = files(&std::fs::read(&to).unwrap());
    let page = text(&files, "index.html");
    assert!(page.contains("was erased for good on") && page.contains("nothing is kept now"), "{page}");
    assert!(!page.contains(NAME) && text(&files, "history.ndjson").is_empty());
    assert!(text(&files, "person.json").contains("\"audit-erase\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_who_is_erased_between_release_and_taking_the_file_says_so_and_it_goes_to_who_asked_only() {
    let centre = Centre::open().await;
    let (_, _, mut alice) = town(&centre).await;
    let record = resident(&mut alice, NAME, GRID, &[("phone", Value::text(PHONE))]).await;
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let second = Desk::logged_in(&centre, "second").await;
    let plain = Desk::logged_in(&centre, "plain").await;
    let url = format!("/console/records/{record}/person");
    desk.submit(&desk.page(&url).await, &url, &[("reason", "request")]).await;
    let page = second.page("/console/batches").await;
    second.submit(&page, &action(&page, "/release\"").unwrap(), &[]).await;
    erase(&centre.app, None, record, Why::Request).unwrap();

    // The page of the record is gone; what was released waits where batches are taken.
    assert_eq!(desk.get(&url).await.status(), StatusCode::NOT_FOUND);
    let waiting = desk.page("/console/batches").await;
    let take = action(&waiting, "/take\"").unwrap();
    for (other, status) in [(&second, StatusCode::UNPROCESSABLE_ENTITY), (&plain, StatusCode::FORBIDDEN)] {
        let csrf = hidden(&other.page("/console").await, "/console/logout")["csrf"].clone();
        assert_eq!(other.send(&take, &[("csrf", &csrf)]).await.status(), status);
    }
    let response = desk.try_submit(&waiting, &take, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let files = files(&response.bytes().await.unwrap());
    let page = text(&files, "index.html");
    assert!(page.contains("彻底清除，现在什么都没有保存") && !page.contains(NAME) && !page.contains(PHONE), "{page}");
    assert_eq!(desk.try_submit(&waiting, &take, &[]).await.status(), StatusCode::UNPROCESSABLE_ENTITY, "once");
}
