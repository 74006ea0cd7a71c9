//! A department's log-in: it sees what is dispatched to it and nothing else, and answers: done, with a photo; more time; sent
//! back.

use std::io::Cursor;

use crate::common::desk::*;
use crate::common::tus::{hash, link};
use crate::common::*;
use chrono::TimeDelta;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION};
use reqwest::{Method, Response, StatusCode};
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view;

/// Brings a file to the form of photos of a record.
async fn bring(desk: &Desk<'_>, record: RecordId, bytes: &[u8]) -> Response {
    let page = desk.page(&format!("/console/records/{record}")).await;
    let path = format!("/console/records/{record}/photo");
    let csrf = hidden(&page, &path).remove("csrf").unwrap();
    let mut body = format!("--x\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n").into_bytes();
    body.extend(b"--x\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n");
    body.extend(bytes);
    body.extend(b"\r\n--x--\r\n");
    let request = desk.http.post(format!("{}{path}", desk.centre.url)).header(COOKIE, &desk.cookie);
    request.header(CONTENT_TYPE, "multipart/form-data; boundary=x").body(body).send().await.unwrap()
}

/// A picture of a telephone: on its side, with what it writes beside the pixels.
fn of_a_telephone() -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::from_fn(2_000, 900, |x, _| image::Rgb([(x % 251) as u8, 90, 30]));
    image::codecs::jpeg::JpegEncoder::new(&mut Cursor::new(&mut bytes)).encode_image(&picture).unwrap();
    // Exif (CIPA DC-008): orientation 6, turned by a quarter, and a text.
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
    exif.extend([0x0f, 0x01, 2, 0, 12, 0, 0, 0, 38, 0, 0, 0]);
    exif.extend([0, 0, 0, 0]);
    exif.extend(b"37.18,104.05");
    let mut whole = bytes[..2].to_vec();
    whole.extend([0xff, 0xe1]);
    whole.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    whole.extend(exif);
    whole.extend(&bytes[2..]);
    whole
}

/// An event that staff dispatched.
async fn dispatched(
    hand: &mut Handheld<'_>,
    staff: &Desk<'_>,
    title: &str,
    host: &str,
    helper: &str,
    limit: &str,
) -> RecordId {
    let report = hand.event(title, GRID);
    let event = report.record;
    applied(&hand.sync(vec![report]).await, 0);
    let path = format!("/console/records/{event}");
    let page = staff.page(&path).await;
    let mut fill = vec![("step", "step-dispatch"), ("host", host), ("limit", limit), ("text", "请尽快到现场")];
    if !helper.is_empty() {
        fill.push(("helper", helper));
    }
    let response = staff.try_submit(&page, &format!("{path}/step"), &fill).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", response.text().await.unwrap());
    event
}

#[tokio::test]
async fn a_department_answers_with_a_photo_and_never_learns_who_reported() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let police = person(&centre, "police", Role::Department, TOWN, false, false);
    let mut teller = centre.enrol(&centre.person("teller", Role::Informant, GRID, false)).await;
    let staff = Desk::logged_in(&centre, "staff").await;
    let host = police.id.to_string();
    let event = dispatched(&mut teller, &staff, "门面排烟争执", &host, "", "days-3").await;

    let desk = Desk::logged_in(&centre, "police").await;
    let work = desk.page("/console/inbox").await;
    assert!(work.contains("要办的事") && work.contains("门面排烟争执") && work.contains("请尽快到现场"), "{work}");
    let path = format!("/console/records/{event}");
    let page = desk.page(&path).await;
    for page in [&work, &page] {
        assert!(!page.contains("teller"), "{page}");
    }
    assert!(page.contains("信息员（姓名仅中心可见）"), "{page}");
    assert!(staff.page(&path).await.contains("teller的姓名"), "the centre knows");

    // What is no picture is told, and nothing comes of it.
    for (bytes, said) in [(b"%PDF-1.4".to_vec(), "不是能看懂的照片"), (vec![], "没有选照片")] {
        let response = bring(&desk, event, &bytes).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(response.text().await.unwrap().contains(said));
    }
    let response = bring(&desk, event, &of_a_telephone()).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", response.text().await.unwrap());
    teller.catch_up().await;
    let open = &teller.confirmed[&(event, Part::Open)];
    let photos = view::many(open, "photos");
    let known: shared::form::PhotoParticulars = photos[0].1.value.get().unwrap();
    assert_eq!((known.width, known.height), (720, 1600), "upright, and no larger than a photo of ours");
    let shown = staff.get(&format!("/console/photos/{event}/{}", photos[0].0)).await;
    assert_eq!(shown.status(), StatusCode::OK);
    let bytes = shown.bytes().await.unwrap();
    assert!(!bytes.windows(5).any(|five| five == b"37.18"), "where it was taken is not kept");
    assert!(staff.page(&path).await.contains(&known.thumbnail.to_string()));

    let step = format!("{path}/step");
    let page = desk.page("/console/inbox").await;
    let after = desk.submit(&page, &step, &[("step", "step-handle"), ("text", "装了新烟道"), ("done", "true")]).await;
    // Back on the list, with what is next.
    assert!(after.contains("已办完，要反馈"), "{after}");
    assert!(desk.page(&path).await.contains("装了新烟道"));
    let work = desk.page("/console/inbox").await;
    desk.submit(&work, &step, &[("step", "step-feedback"), ("text", "已告知两家"), ("satisfied", "true")]).await;
    let work = desk.page("/console/inbox").await;
    assert!(work.contains("已答复") && work.contains("0 件等处理"), "{work}");
    assert!(staff.page("/console/inbox").await.contains("等结案"));
}

#[tokio::test]
async fn a_department_asks_for_more_time_or_sends_it_back_with_a_reason() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let police = person(&centre, "police", Role::Department, TOWN, false, false);
    let market = person(&centre, "market", Role::Department, TOWN, false, false);
    let mut hand = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let staff = Desk::logged_in(&centre, "staff").await;
    let (host, helper) = (police.id.to_string(), market.id.to_string());
    let slow = dispatched(&mut hand, &staff, "井盖破损", &host, &helper, "days-3").await;
    let wrong = dispatched(&mut hand, &staff, "占道经营", &host, "", "days-7").await;
    let over = dispatched(&mut hand, &staff, "消防通道堵塞", &host, "", "hours-24").await;
    centre.clock.advance(TimeDelta::hours(25));
    let (staff, desk) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "police").await);
    // In order of light: over, then the sooner limit.
    let work = desk.page("/console/inbox").await;
    let at = |title: &str| work.find(&format!("<b>{title}</b>")).unwrap_or_else(|| panic!("{title}: {work}"));
    assert!(at("消防通道堵塞") < at("井盖破损") && at("井盖破损") < at("占道经营"), "{work}");
    assert!(work.contains("超期") && work.contains(&format!("{over}/step")), "the first one stands open: {work}");
    let helping = Desk::logged_in(&centre, "market").await;
    let theirs = helping.page("/console/inbox").await;
    assert!(theirs.contains("协办") && theirs.contains("井盖破损") && !theirs.contains("占道经营"), "{theirs}");

    let step = format!("/console/records/{slow}/step");
    let page = desk.page(&format!("/console/inbox?e={slow}")).await;
    let no_reason = desk.try_submit(&page, &step, &[("step", "step-extend"), ("limit", "days-3"), ("text", " ")]).await;
    assert_eq!(no_reason.status(), StatusCode::UNPROCESSABLE_ENTITY);
    desk.submit(&page, &step, &[("step", "step-extend"), ("limit", "days-3"), ("text", "等配件")]).await;
    assert!(desk.page(&format!("/console/inbox?e={slow}")).await.contains("已申请延期（等配件）"));
    let inbox = staff.page("/console/inbox").await;
    assert!(inbox.contains("申请延期"), "{inbox}");
    let page = staff.page(&format!("/console/records/{slow}")).await;
    staff.submit(&page, &step, &[("step", "step-grant_extension"), ("text", "同意")]).await;
    assert!(!desk.page(&format!("/console/inbox?e={slow}")).await.contains("已申请延期"));

    // Sent back it is not theirs any more: no page of an error, the list without it.
    let step = format!("/console/records/{wrong}/step");
    let page = desk.page(&format!("/console/inbox?e={wrong}")).await;
    let response = desk.try_submit(&page, &step, &[("step", "step-send_back"), ("text", "不归我们管")]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", response.text().await.unwrap());
    assert_eq!(response.headers()[LOCATION], "/console/inbox");
    assert!(!desk.page("/console/inbox").await.contains("占道经营"));
    assert_eq!(desk.get(&format!("/console/records/{wrong}")).await.status(), StatusCode::NOT_FOUND);
    let page = staff.page(&format!("/console/records/{wrong}")).await;
    assert!(page.contains("不归我们管"), "{page}");
}

#[tokio::test]
async fn a_department_opens_nothing_that_was_not_dispatched_to_it() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let police = person(&centre, "police", Role::Department, TOWN, true, true);
    let mut hand = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let staff = Desk::logged_in(&centre, "staff").await;
    let who = resident(&mut hand, "张伟", GRID, &[("phone", Value::text("13912345678"))]).await;
    let mut report = hand.event("无关的事", GRID);
    let photo = hash(b"another photo");
    link(&mut report, &photo);
    let other = report.record;
    applied(&hand.sync(vec![report]).await, 0);
    let event = dispatched(&mut hand, &staff, "井盖破损", &police.id.to_string(), "", "days-3").await;
    // What is theirs names somebody they may not read.
    let edit = hand.edit(event, RecordKind::Event, Part::Open, &[(&format!("concerns/{who}"), Value::of(&true))]);
    applied(&hand.sync(vec![edit]).await, 0);

    // With every right there is: the role gives nothing by scope.
    let desk = Desk::logged_in(&centre, "police").await;
    let page = desk.page(&format!("/console/records/{event}")).await;
    assert!(!page.contains("张伟") && !page.contains("13912345678"), "{page}");
    assert!(!page.contains("/console/records?kind"), "no way leads to the ledger: {page}");
    assert!(!page.contains("action=\"/console/records\""), "nor a search that would be refused: {page}");
    for record in [who, other] {
        for path in [format!("/console/records/{record}"), format!("/console/photos/{record}/{photo}")] {
            assert_eq!(desk.get(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let csrf = hidden(&page, "/console/logout").remove("csrf").unwrap();
        let response =
            desk.send(&format!("/console/records/{record}/step"), &[("csrf", &csrf), ("step", "step-urge")]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    for path in [
        "/console/records",
        "/console/records?q=张伟",
        "/console/batches",
        "/console/terminals",
        "/console/people",
        "/console/areas",
        "/console/audit",
        "/console/campaigns",
        "/console/quarantine",
    ] {
        assert_eq!(desk.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let overview = desk.page("/console").await;
    assert!(!overview.contains("无关的事") && !overview.contains("张伟"), "{overview}");
    // Nor by a handheld.
    let mut theirs = centre.enrol(&police).await;
    theirs.catch_up().await;
    assert!(theirs.holds(event, Part::Open) && !theirs.holds(other, Part::Open) && !theirs.holds(who, Part::Open));
    let history = format!("/api/v1/records/{other}/history");
    let response = centre.send(Method::GET, &history, Some(&theirs.token), vec![], &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
