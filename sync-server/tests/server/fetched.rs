//! Files of batches fetched by a program over a line that breaks.

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, COOKIE, ETAG, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use shared::author::Role;

use crate::common::batches::born;
use crate::common::desk::{self, Desk};
use crate::common::*;

async fn asked(desk: &Desk<'_>, path: &str, headers: &[(reqwest::header::HeaderName, &str)]) -> Response {
    let mut request = desk.http.get(format!("{}{path}", desk.centre.url)).header(COOKIE, &desk.cookie);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_file_that_broke_off_in_the_middle_is_fetched_to_its_end() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    for name in ["张伟", "李娜", "王芳"] {
        born(&mut hand, name, &[]).await;
    }
    desk::person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/batches").await;
    desk.submit(&page, "/console/batches", &[("format", "csv")]).await;
    let path = "/api/v1/batches/2026-001/person.csv";

    let whole = asked(&desk, path, &[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    let tag = tus::named(&whole, "etag").to_owned();
    let bytes = whole.bytes().await.unwrap();
    let manifest: serde_json::Value =
        asked(&desk, "/api/v1/batches/2026-001/manifest.json", &[]).await.json().await.unwrap();
    assert_eq!(tag, format!("\"{}\"", manifest["files"][0]["sha256"].as_str().unwrap()));

    let rest = asked(&desk, path, &[(RANGE, "bytes=40-"), (IF_RANGE, &tag)]).await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    let of = format!("bytes 40-{}/{}", bytes.len() - 1, bytes.len());
    assert_eq!(rest.headers()[CONTENT_RANGE], of.as_str());
    assert_eq!(rest.headers()[CONTENT_LENGTH], (bytes.len() - 40).to_string().as_str());
    assert_eq!(rest.headers()[ETAG], tag.as_str());
    assert!(rest.bytes().await.unwrap() == bytes[40..]);
    let middle = asked(&desk, path, &[(RANGE, "bytes=10-19")]).await;
    assert!(middle.bytes().await.unwrap() == bytes[10..20]);

    // The beginning of another file does not get the rest of this one.
    let other = asked(&desk, path, &[(RANGE, "bytes=40-"), (IF_RANGE, "\"other\"")]).await;
    assert_eq!((other.status(), other.bytes().await.unwrap() == bytes), (StatusCode::OK, true));
    let beyond = asked(&desk, path, &[(RANGE, &format!("bytes={}-", bytes.len()))]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()[CONTENT_RANGE], format!("bytes */{}", bytes.len()).as_str());

    // Nobody else: neither without a log-in nor with the token of a handheld, and no other file of the server.
    refusal(centre.send(reqwest::Method::GET, path, None, vec![], &[]).await, 401).await;
    refusal(centre.send(reqwest::Method::GET, path, Some(&hand.token), vec![], &[]).await, 401).await;
    let outside = asked(&desk, "/api/v1/batches/2026-001/..%2F..%2Ftown.db", &[]).await;
    assert_eq!(outside.status(), StatusCode::NOT_FOUND);
    desk::person(&centre, "member2", Role::GridMember, GRID, false, false);
    let member = Desk::logged_in(&centre, "member2").await;
    assert_eq!(asked(&member, path, &[]).await.status(), StatusCode::FORBIDDEN);
}
