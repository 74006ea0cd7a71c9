//! Reports from any phone: an intake beside the centre, each with a router and a folder of its own, and the centre fetches.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::RecordId;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::workflow::{Step, StepEntry};
use sync_server::intake::take;
use sync_server::intake::wire::{Ask, Told};
use sync_server::store::{self, PartFilter, StoreError};

use crate::common::desk::*;
use crate::common::intake::*;
use crate::common::*;

const SECRETS: [&str; 4] = ["三号楼楼道堆满杂物", "柳湾巷十二号", "马守田", "13912345678"];

fn full() -> Filled<'static> {
    let [text, place, name, phone] = SECRETS;
    Filled::new(text).with("place", place).with("name", name).with("phone", phone)
}

/// The events of the town with their titles.
pub fn events(centre: &Centre) -> Vec<(RecordId, String)> {
    let filter = PartFilter { kind: Some(RecordKind::Event), ..PartFilter::default() };
    let mut all = Vec::new();
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| {
        read.each_part(&filter, &mut |part| {
            if part.part == Part::Open {
                all.push((part.record, part.title));
            }
            Ok(true)
        })
    })
    .unwrap();
    all
}

pub fn tray(centre: &Centre) -> Vec<store::Tray> {
    let areas: Vec<_> = centre.app.areas().unwrap().iter().map(|area| area.id).collect();
    store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.tray(&areas, 5_000)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_all_the_way_and_its_link_tells_the_status_and_nothing_else() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, true);
    person(&centre, "plain", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, AreaId(10), false, true);
    let mut report = full();
    report.photos = vec![telephone_jpeg()];
    let link = public.report(&report).await;
    assert!(link.strip_prefix("/s/").unwrap().len() >= 22, "at least 128 bits: {link}");
    assert_eq!(public.status(&link).await, "已收到");
    assert_eq!(public.fetch(&centre).await, 1);

    // It is in the inbox, with its source, where it is, and its photo upright and without what the camera wrote into it.
    let [(event, title)] = &events(&centre)[..] else { panic!("{:?}", events(&centre)) };
    assert_eq!(title, "柳湾巷十二号 三号楼楼道堆满杂物");
    let staff = Desk::logged_in(&centre, "staff").await;
    // As any report from below it is for the lowest leader first.
    let leader = Desk::logged_in(&centre, "leader").await;
    assert!(leader.page("/console/inbox").await.contains(title.as_str()));
    let record = staff.page(&format!("/console/records/{event}")).await;
    assert!(record.contains("扫码") && record.contains("手机反映") && record.contains("条山社区第一网格"), "{record}");
    let photo = record.split(&format!("/console/photos/{event}/")).nth(1).unwrap().split('"').next().unwrap();
    let bytes = staff.get(&format!("/console/photos/{event}/{photo}")).await.bytes().await.unwrap();
    let shown = image::load_from_memory(&bytes).unwrap();
    assert_eq!((shown.width(), shown.height()), (20, 40), "turned upright");
    assert!(!bytes.windows(3).any(|it| it == b"GPS") && !bytes.windows(4).any(|it| it == b"Exif"));

    // 实名仅中心可见: cleared staff ask, and it is written down; nobody else is told, nor does any page show it unasked.
    let path = format!("/console/records/{event}/reporter");
    let told = staff.try_submit(&record, &path, &[]).await.text().await.unwrap();
    assert!(told.contains("马守田") && told.contains("13912345678"), "{told}");
    assert!(staff.audit().await.contains("查看反映人"));
    for login in ["leader", "plain"] {
        let desk = Desk::logged_in(&centre, login).await;
        let page = desk.page(&format!("/console/records/{event}")).await;
        assert!(!page.contains(&path), "{login}");
        let csrf = hidden(&page, "/console/logout")["csrf"].clone();
        assert_eq!(desk.send(&path, &[("csrf", &csrf)]).await.status(), StatusCode::FORBIDDEN, "{login}");
    }
    assert!(!record.contains("马守田") && !record.contains("13912345678"));
    let handler = centre.app.store.user_by_login("staff").unwrap().unwrap();
    let mut hand = centre.enrol(&handler).await;
    hand.catch_up().await;
    let state = format!("{:?}", hand.confirmed[&(*event, Part::Open)]);
    assert!(!state.contains("马守田") && !state.contains("13912345678"), "no handheld holds it");

    // Through the steps.
    let host = Some(handler.id);
    let steps = [
        (StepEntry { host, ..StepEntry::new(Step::Dispatch, "请今天去看") }, "已分派"),
        (StepEntry::new(Step::Handle, "正在清理"), "办理中"),
        (StepEntry { done: Some(true), ..StepEntry::new(Step::Handle, "清理完了") }, "办理中"),
        (StepEntry { satisfied: Some(true), ..StepEntry::new(Step::Feedback, "已告知") }, "已答复"),
        (StepEntry { outcome: Some("settled".to_owned()), ..StepEntry::new(Step::Close, "") }, "已结案"),
    ];
    for (step, said) in steps {
        let edit = hand.step(*event, &step);
        applied(&hand.sync(vec![edit]).await, 0);
        hand.catch_up().await;
        public.fetch(&centre).await;
        assert_eq!(public.status(&link).await, said);
        let page = public.page(&link).await;
        for secret in SECRETS.into_iter().chain(["清理", "已告知", "<img", "staff", "条山社区"]) {
            assert!(!page.contains(secret), "the link tells {secret}: {page}");
        }
    }
    // The month after, the page of the grid says how many were settled, and not what.
    centre.clock.advance(TimeDelta::days(31));
    public.fetch(&centre).await;
    let page = public.page("/g/11").await;
    assert!(page.contains("上个月这里办好 1 件") && !page.contains("杂物"), "{page}");
    // Another link tells nothing.
    assert_eq!(public.get("/s/AAAAAAAAAAAAAAAAAAAAAAAA").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_main_server_down_nothing_is_lost_and_what_is_fetched_twice_lands_once() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    // Nobody fetches. The intake itself dies too and is started again.
    let first = public.report(&Filled::new("路灯坏了")).await;
    let public = public.again().await;
    let second = public.report(&Filled::new("井盖松了")).await;
    for link in [&first, &second] {
        assert_eq!(public.status(link).await, "已收到");
    }
    // The centre fetched, kept one, and was killed before it could say so.
    let secret = std::fs::read_to_string(public.key.path().join("intake.key")).unwrap();
    let ask = serde_json::to_vec(&Ask { suspicious: true, ..Ask::default() }).unwrap();
    let told = centre.http.post(format!("{}/pull", public.url)).bearer_auth(&secret).body(ask).send().await.unwrap();
    let told: Told = told.json().await.unwrap();
    assert_eq!(told.reports.len(), 2);
    let one = &told.reports[0];
    take::take(&centre.app, one.id, &STANDARD.decode(&one.sealed).unwrap()).unwrap();
    let Centre { app, clock, folder, .. } = centre;
    drop(app);
    let centre = Centre::over(folder, clock, |_| {}).await;
    assert_eq!(events(&centre).len(), 1);

    assert_eq!(public.fetch(&centre).await, 2, "both come again");
    let mut titles: Vec<String> = events(&centre).into_iter().map(|(_, title)| title).collect();
    titles.sort();
    assert_eq!(titles, ["井盖松了", "路灯坏了"]);
    assert_eq!(public.fetch(&centre).await, 0, "the intake let go of them");

    // Who does not know the secret is told that there is no such page.
    for key in ["", "guess"] {
        let response =
            centre.http.post(format!("{}/pull", public.url)).bearer_auth(key).body("{}").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}

fn files(folder: &Path, found: &mut Vec<u8>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files(&path, found) } else { found.extend(std::fs::read(path).unwrap()) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_folder_of_the_intake_tells_no_report_and_no_resident() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    let known = resident(&mut hand, "张秀英", GRID, &[]).await;
    let public = Public::of(&centre).await;
    let mut report = full();
    report.photos = vec![telephone_jpeg()];
    let link = public.report(&report).await;
    public.report(&Filled::new("另一件事在柳湾巷")).await;
    for fetched in [false, true] {
        if fetched {
            public.fetch(&centre).await;
        }
        let mut bytes = Vec::new();
        files(public.folder.path(), &mut bytes);
        let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|it| it == secret);
        assert!(holds("条山社区第一网格".as_bytes()), "the public pages are there, or nothing was looked at");
        let token = link.strip_prefix("/s/").unwrap();
        let texts = SECRETS.into_iter().chain(["另一件事", "张秀英", "198.51.100.7", token, "hazard", "/9j/"]);
        for secret in texts {
            assert!(!holds(secret.as_bytes()), "{secret} lies in the folder");
            assert!(!holds(&STANDARD.encode(secret).into_bytes()[..4.max(secret.len() / 3 * 4)]), "{secret}");
        }
        assert!(!holds(&[0xff, 0xd8, 0xff]) && !holds(known.to_string().as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_spam_reports_do_not_reach_the_inbox_and_an_honest_one_among_them_does() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    let (mut kept, mut refused) = (0, 0);
    for n in 0..1_000 {
        let text = format!("办证贷款 第{n}条");
        let linked = format!("{text} https://spam{n}.example");
        let mut spam = match n % 3 {
            0 => Filled::new(&text).with("website", "spam"),
            1 => Filled::new(&linked),
            _ => Filled::new(&text),
        };
        // Every third is sent by a program, at once; twelve addresses.
        spam.seconds = if n % 3 == 2 { 0 } else { 4 };
        spam.address = format!("203.0.113.{}", n % 12);
        match public.send(&spam).await.status() {
            StatusCode::SEE_OTHER => kept += 1,
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            other => panic!("{other}"),
        }
        if n == 500 {
            public.report(&Filled::new("水管爆了，巷子里全是水")).await;
        }
    }
    assert_eq!((kept + refused, refused > 0), (1_000, true), "{kept} kept, {refused} asked to wait");
    public.fetch(&centre).await;
    let titles: Vec<String> = events(&centre).into_iter().map(|(_, title)| title).collect();
    assert_eq!(titles, ["水管爆了，巷子里全是水"]);
    assert_eq!(tray(&centre).len(), kept, "nothing suspicious vanished");
    let mut bytes = Vec::new();
    files(public.folder.path(), &mut bytes);
    println!("{kept} wait in the tray, {refused} were asked to wait, {} kB on the intake's disk", bytes.len() / 1024);
    assert!(bytes.len() < 16 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_accept_or_delete_what_is_suspicious_and_what_nobody_decides_on_goes_after_thirty_days() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, AreaId(10), false, false);
    for (text, address) in
        [("见 https://example.cn/1 的通知", 1), ("便宜贷款 www.daikuan.example", 2), ("加我 www.c.example", 3)]
    {
        let link = public.report(&Filled { address: format!("192.0.2.{address}"), ..Filled::new(text) }).await;
        assert_eq!(public.status(&link).await, "已收到", "whoever sends it is not told that it is suspicious");
    }
    public.fetch(&centre).await;
    assert!(events(&centre).is_empty());
    let leader = Desk::logged_in(&centre, "leader").await;
    assert_eq!(leader.get("/console/spam").await.status(), StatusCode::FORBIDDEN);

    let desk = Desk::logged_in(&centre, "staff").await;
    assert!(desk.page("/console").await.contains("/console/spam"), "the side says that something waits");
    let page = desk.page("/console/spam").await;
    assert!(page.contains("见 https://example.cn/1 的通知") && page.contains("带有网址"), "{page}");
    let id = |text: &str| tray(&centre).into_iter().find(|it| it.body.contains(text)).unwrap().id.to_string();
    let (honest, advert) = (id("通知"), id("贷款"));
    let page = desk.submit(&page, "/console/spam", &[("id", &honest), ("do", "accept")]).await;
    assert!(!page.contains("的通知") && leader.page("/console/inbox").await.contains("见 https://example.cn/1 的通知"));
    let page = desk.submit(&page, "/console/spam", &[("id", &advert), ("do", "delete")]).await;
    assert!(!page.contains("贷款") && page.contains("加我"), "{page}");
    // Pressed again on an old page: nothing more happens.
    desk.submit(&page, "/console/spam", &[("id", &honest), ("id", &advert), ("do", "accept")]).await;
    assert_eq!(events(&centre).len(), 1);
    let audit = desk.audit().await;
    assert!(audit.contains("收下可疑的反映") && audit.contains("删除可疑的反映"), "{audit}");

    take::expire(&centre.app, centre.clock.now() + TimeDelta::days(29)).unwrap();
    assert_eq!(tray(&centre).len(), 1);
    take::expire(&centre.app, centre.clock.now() + TimeDelta::days(31)).unwrap();
    assert!(tray(&centre).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_comes_back_with_what_was_typed_and_can_be_sent_again() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    let said = async |report: &Filled<'_>, status: u16, words: &str| {
        let response = public.send(report).await;
        let got = response.status().as_u16();
        let page = response.text().await.unwrap();
        assert_eq!(got, status, "{page}");
        assert!(page.contains(words) && page.contains("三号楼楼道堆满杂物") && page.contains("柳湾巷十二号"), "{page}");
    };
    let long = "长".repeat(200);
    said(&full().with("place", "柳湾巷十二号").with("name", &long), 422, "写得太长了").await;
    said(&full().with("what", "nothing"), 422, "请选一下是什么事").await;
    said(&Filled { photos: vec!["一段文字".into()], ..full() }, 422, "有一张照片打不开").await;
    said(&Filled { photos: vec![jpeg(60_000, 60_000, "bomb")], ..full() }, 422, "有一张照片打不开").await;
    said(&Filled { photos: vec![vec![0xff; 13 * 1024 * 1024]], ..full() }, 413, "照片太大了").await;
    said(&Filled { photos: vec![telephone_jpeg(); 4], ..full() }, 422, "最多三张照片").await;
    // The disk is full: it says so, and takes nothing it cannot keep.
    public.intake.keep.set_quota(1).unwrap();
    for _ in 0..2 {
        let noise: Vec<u8> = (0..120_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let pixels = image::RgbImage::from_raw(400, 400, noise);
        let mut big = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut big).encode_image(&pixels.unwrap()).unwrap();
        said(&Filled { photos: vec![big], ..full() }, 503, "现在存不下了").await;
    }
    public.intake.keep.set_quota(100_000).unwrap();
    // Corrected and sent again it is an honest report like any other.
    public.report(&full()).await;
    assert_eq!(public.fetch(&centre).await, 1);
    assert_eq!(events(&centre).len(), 1);
    assert!(tray(&centre).is_empty());
    assert_eq!(public.get("/r/91x").await.0, StatusCode::NOT_FOUND);
    assert_eq!(public.get("/r/10").await.0, StatusCode::NOT_FOUND, "a community is no grid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_page_tells_what_the_town_published_and_prints_as_sign_and_badge() {
    let centre = Centre::open().await;
    let published = "does = \"上门登记、调解\"\n[[grid]]\narea = 11\ncovers = \"祥和小区\"\n\
                     [[grid.person]]\nname = \"马春兰\"\nrole = \"网格员\"\nphone = \"0943-5550101\"\n";
    std::fs::write(centre.folder.path().join("public.toml"), published).unwrap();
    let public = Public::of(&centre).await;
    let page = public.page("/g/11").await;
    for text in [
        "条山社区第一网格",
        "一条山镇",
        "祥和小区",
        "马春兰",
        "网格员",
        "tel:09435550101",
        "上门登记、调解",
        "href=\"/r/11\"",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(public.page("/g/12").await.contains("还没有公示"), "what is not published is not shown");
    for path in ["/g/11/sign", "/g/11/badge"] {
        let page = public.page(path).await;
        assert!(page.contains("<svg") && page.contains("马春兰"), "{page}");
    }
    assert!(public.page("/g/11/sign").await.contains("https://report.example/r/11"));
    // The town takes somebody off: gone with the next round. A file that cannot be read changes nothing.
    std::fs::write(centre.folder.path().join("public.toml"), "nonsense").unwrap();
    public.fetch(&centre).await;
    assert!(public.page("/g/11").await.contains("马春兰"));
    std::fs::write(centre.folder.path().join("public.toml"), "does = \"调解\"\n").unwrap();
    public.fetch(&centre).await;
    assert!(!public.page("/g/11").await.contains("马春兰"));

    // Plain HTML: no inline script or style, every field has its label; and none of the centre's routes are here.
    let form = public.page("/r/11").await;
    assert!(!form.contains("<style") && !form.contains(" style=") && !form.contains("onclick"));
    assert_eq!(form.matches("<script").count(), 1);
    assert!(form.contains("<script src=\"/position.js\" defer></script>"));
    for id in ["text", "place", "name", "phone"] {
        assert!(form.contains(&format!("for=\"{id}\"")), "{id} has no label");
    }
    let style = public.page("/style.css").await;
    assert!(!style.contains(":has(") && !style.contains("aspect-ratio:") && !style.contains("inset:"));
    for path in ["/console", "/console/login", "/api/v1/openapi.json", "/api/v1/sync", "/", "/pull"] {
        assert_ne!(public.get(path).await.0, StatusCode::OK, "{path}");
    }
    let response = centre.http.get(format!("{}/r/11", public.url)).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
}
