//! What is held of reports from any phone, where and for how long: what a person is told of it, what erasing takes away, what a
//! centre that was put back to a backup gets again, and what staff are told when the intake is out of reach or full.

use chrono::TimeDelta;
use shared::author::Role;
use shared::value::Value;
use sync_server::auth::Who;
use sync_server::backup;
use sync_server::erase::{Reason as Why, erase};
use sync_server::intake::pull::{Puller, round_noted};
use sync_server::person::approval::{Wanted, ask, release};
use sync_server::person::{Reason, pack, take};

use crate::common::desk::*;
use crate::common::intake::*;
use crate::common::*;
use crate::erase::holding;
use crate::intake::{events, tray};

fn from(address: u8, text: &'static str) -> Filled<'static> {
    Filled { address: format!("192.0.2.{address}"), ..Filled::new(text) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_asks_is_told_what_they_reported_and_nothing_that_may_be_a_namesakes() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let second = person(&centre, "second", Role::CenterStaff, TOWN, true, true);
    let mut hand = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let known = resident(&mut hand, "马守田", GRID, &[("phone", Value::text("13987654321"))]).await;
    let sent = [
        from(1, "楼道堆满杂物").with("name", "马守田").with("phone", "+86 139 8765 4321"),
        from(2, "路灯不亮").with("phone", "13987654321"),
        from(3, "见 https://example.cn 的通知").with("name", "马守田").with("phone", "13987654321"),
        // Others: of the same name, and somebody of the household.
        from(4, "狗没有拴").with("name", "马守田").with("phone", "13800000000"),
        from(5, "井盖松了").with("name", "马小丽").with("phone", "13987654321"),
        from(6, "有人乱停车").with("name", "张三").with("phone", "13811112222"),
    ];
    for report in &sent {
        public.report(report).await;
    }
    public.fetch(&centre).await;
    assert_eq!((events(&centre).len(), tray(&centre).len()), (5, 1));
    // The centre rewrites one; the person is told their own words.
    hand.catch_up().await;
    let lamp = events(&centre).into_iter().find(|(_, title)| title == "路灯不亮").unwrap().0;
    let mut edit = hand.change(lamp, &[("account", Value::text("网格员改写过"))]);
    edit.kind = shared::record::RecordKind::Event;
    applied(&hand.sync(vec![edit]).await, 0);

    let who = |user: &sync_server::store::User| Who::of(user.clone(), &centre.app.areas().unwrap());
    let id = ask(&centre.app, &who(&staff), Wanted { record: known, reason: Reason::Request }).unwrap();
    release(&centre.app, &who(&second), id).unwrap();
    let gathered = take(&centre.app, &who(&staff), id, assets::messages::Lang::Zh).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    pack(&centre.app, &gathered, &mut bytes).unwrap();
    let mut zip = zip::ZipArchive::new(bytes).unwrap();
    for name in ["index.html", "person.json"] {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut zip.by_name(name).unwrap(), &mut text).unwrap();
        for told in ["楼道堆满杂物", "路灯不亮", "example.cn 的通知", "+86 139 8765 4321"] {
            assert!(text.contains(told), "{name} does not say {told}: {text}");
        }
        for other in ["狗没有拴", "井盖松了", "马小丽", "13800000000", "有人乱停车", "网格员改写过"]
        {
            assert!(!text.contains(other), "{name} tells {other}: {text}");
        }
        assert!(text.contains(if name == "index.html" { "另有 2 条" } else { "\"reported_unsure\": 2" }), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_gone_at_the_centre_and_at_the_intake_and_its_link_knows_nothing_any_more() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let report = Filled::new("三号楼楼道堆满杂物")
        .with("place", "柳湾巷十二号")
        .with("name", "马守田")
        .with("phone", "13912345678");
    let link = public.report(&report).await;
    let other = public.report(&from(2, "路灯不亮")).await;
    public.fetch(&centre).await;
    let secrets = ["三号楼楼道堆满杂物", "柳湾巷十二号", "马守田", "13912345678"];
    assert!(!holding(centre.folder.path(), &secrets).is_empty());
    let event = events(&centre).into_iter().find(|(_, title)| title.contains("柳湾巷")).unwrap().0;
    let who = Who::of(staff, &centre.app.areas().unwrap());
    assert!(erase(&centre.app, Some(&who), event, Why::Request).unwrap().swept);
    assert_eq!(holding(centre.folder.path(), &secrets), [""; 0]);

    assert_eq!(public.intake.keep.held().unwrap(), 2, "sealed, for a centre that is put back");
    public.fetch(&centre).await;
    assert_eq!(public.intake.keep.held().unwrap(), 1, "the intake forgot the one that was erased");
    let (status, page) = public.get(&link).await;
    assert_eq!(status, reqwest::StatusCode::NOT_FOUND);
    assert!(page.contains("没有这条反映，或者已经过了保留的时间"), "{page}");
    assert_eq!(public.status(&other).await, "已收到");
    // Handed again it comes to nothing: nobody revives it.
    public.fetch(&centre).await;
    assert_eq!(events(&centre).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_put_back_to_a_backup_gets_again_what_it_had_fetched_since_each_once() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    public.report(&from(1, "备份之前")).await;
    public.fetch(&centre).await;
    let to = tempfile::tempdir().unwrap();
    let made = loop {
        match backup::make(&centre.app, to.path(), usize::MAX) {
            // Another test of this process is starting a program, which has our lock too until it runs.
            Err(backup::BackupError::Busy) => tokio::task::yield_now().await,
            made => break made.unwrap(),
        }
    };
    public.report(&from(2, "备份之后")).await;
    public.report(&from(3, "见 https://example.cn 备份之后")).await;
    public.fetch(&centre).await;
    assert_eq!(public.fetch(&centre).await, 0, "nothing is handed twice to a centre that has it");

    let folder = tempfile::tempdir().unwrap();
    backup::restore(&made.folder, folder.path(), None, centre.clock.clone()).unwrap();
    let back = Centre::over(folder, centre.clock.clone(), |_| {}).await;
    assert_eq!((events(&back).len(), tray(&back).len()), (1, 0));
    public.fetch(&back).await;
    let titles = |centre: &Centre| {
        let mut titles: Vec<String> = events(centre).into_iter().map(|(_, title)| title).collect();
        titles.sort();
        titles
    };
    assert_eq!(titles(&back), ["备份之前", "备份之后"]);
    assert_eq!(tray(&back).len(), 1);
    assert_eq!(public.fetch(&back).await, 0);
    // After two weeks it is let go of.
    assert_eq!(public.intake.keep.held().unwrap(), 3);
    centre.clock.advance(TimeDelta::days(15));
    public.fetch(&back).await;
    assert_eq!(public.intake.keep.held().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_read_on_the_overview_that_the_intake_is_out_of_reach_or_nearly_full() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let well = async || {
        let page = Desk::logged_in(&centre, "staff").await.page("/console").await;
        assert!(!page.contains("公网那台机器"), "{page}");
    };
    let says = async |words: &str| {
        let page = Desk::logged_in(&centre, "staff").await.page("/console").await;
        assert!(page.contains(words), "{words}: {page}");
    };
    well().await;
    round_noted(&centre.app, &public.puller()).await;
    well().await;
    // Out of reach: a port on which nobody listens. A moment of it is nothing to speak of.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let key = public.key.path().join("intake.key");
    let lost = Puller::open(&format!("http://{nobody}"), &key, None).unwrap();
    round_noted(&centre.app, &lost).await;
    well().await;
    centre.clock.advance(TimeDelta::minutes(31));
    says("没有取到手机反映").await;
    says("连不上公网那台机器").await;
    round_noted(&centre.app, &public.puller()).await;
    well().await;
    // A key that does not fit is told of at once.
    let other = public.key.path().join("other.key");
    std::fs::write(&other, "0000").unwrap();
    round_noted(&centre.app, &Puller::open(&public.url, &other, None).unwrap()).await;
    says("不认中心的密钥").await;
    // Nearly full.
    public.intake.keep.set_quota(1).unwrap();
    round_noted(&centre.app, &public.puller()).await;
    says("满了就收不了新的反映").await;
    public.intake.keep.set_quota(100_000).unwrap();
    round_noted(&centre.app, &public.puller()).await;
    well().await;
}
