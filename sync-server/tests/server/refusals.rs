//! Bad input at the door: each gets the right status and a clear sentence in both languages, and nothing else changes.

use crate::common::*;
use reqwest::Method;
use shared::author::Role;
use shared::limits::{EDIT_BYTES_A_ROUND, EDITS_A_ROUND, PROTOCOL, REQUEST_BYTES};
use shared::value::Value;
use shared::wire::{RejectReason, SyncAnswer};
use sync_server::auth::enrol::{CODE, TOKEN, make_code};
use sync_server::store::{self, StoreError};

/// A handheld with one resident, and a check that nothing else came to the server.
async fn alice(centre: &Centre) -> Handheld<'_> {
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let mut alice = centre.enrol(&user).await;
    let create = alice.resident("张伟", GRID);
    alice.sync(vec![create]).await;
    alice
}

/// The same request still works, and nothing has come in but the one resident.
async fn undisturbed(alice: &mut Handheld<'_>) {
    let answer: SyncAnswer = alice.sync(vec![]).await;
    assert_eq!((answer.high_water, answer.items.len()), (1, 0));
    let last = store::read::<_, StoreError>(&*alice.centre.app.store, TOWN, |read| read.last_seq(Default::default()));
    assert_eq!(last.unwrap(), 1);
}

const ZSTD: (&str, &str) = ("content-encoding", "zstd");

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_request() {
    let centre = Centre::open().await;
    let mut alice = alice(&centre).await;
    let good = serde_json::to_string(&alice.request(vec![])).unwrap();
    let twice = good.replacen("{\"protocol\"", "{\"protocol\":9,\"protocol\"", 1);
    let unknown = good.replacen('{', "{\"shout\":true,", 1);
    let bomb = zstd::encode_all(std::io::repeat(b' ').take_bytes(REQUEST_BYTES + 1), 3).unwrap();
    assert!(bomb.len() < 2_000, "{} bytes unpack to more than is allowed", bomb.len());
    let rounds = |bytes: usize| format!("{}{good}", " ".repeat(bytes - good.len())).into_bytes();
    let mut small_bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut small_bomb, &rounds(2 * EDIT_BYTES_A_ROUND + 1)).unwrap();
    let small_bomb = small_bomb.finish().unwrap();
    // What is alike over and over is taken up to the size of two rounds.
    let alike = zstd::encode_all(rounds(2 * EDIT_BYTES_A_ROUND).as_slice(), 3).unwrap();
    assert_eq!(alice.raw(alike, &[ZSTD]).await.status(), 200);
    let huge = vec![b' '; REQUEST_BYTES + 1];
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let shape = good.replacen('{', "{\"edits\":[{\"kind\":\"ghost\"}],", 1);
    let packed = zstd::encode_all(good.as_bytes(), 3).unwrap();
    type Case<'a> = (&'a str, Vec<u8>, &'a [(&'a str, &'a str)], u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("text", b"name=1".to_vec(), &[], 400, "not_json"),
        ("nothing", vec![], &[], 400, "not_json"),
        ("a key twice", twice.into(), &[], 400, "duplicate_key"),
        ("deep", deep.into(), &[], 400, "too_deep"),
        ("an unknown member", unknown.into(), &[], 400, "bad_shape"),
        ("an edit without a name", shape.into(), &[], 400, "bad_shape"),
        ("not zstd", good.clone().into(), &[ZSTD], 400, "body_not_zstd"),
        ("zstd cut off", packed[..packed.len() - 3].to_vec(), &[ZSTD], 400, "body_not_zstd"),
        ("not gzip", good.clone().into(), &[("content-encoding", "gzip")], 400, "body_not_gzip"),
        ("a zstd bomb", bomb, &[ZSTD], 413, "body_too_large"),
        ("a bomb of a megabyte", small_bomb, &[("content-encoding", "gzip")], 413, "body_too_large"),
        ("too many bytes", huge, &[], 413, "body_too_large"),
        ("another coding", packed, &[("content-encoding", "br")], 415, "encoding_unknown"),
    ];
    for (what, body, headers, status, code) in cases {
        let mut words = Vec::new();
        for lang in ["zh-CN,zh;q=0.9", "en"] {
            let headers: Vec<_> = headers.iter().copied().chain([("accept-language", lang)]).collect();
            let answer = refusal(alice.raw(body.clone(), &headers).await, status).await;
            assert_eq!(answer.code, code, "{what}");
            words.push(answer.message);
        }
        assert!(words[0].chars().any(|c| ('\u{4e00}'..'\u{9fff}').contains(&c)), "{what}: {}", words[0]);
        assert!(words[1].is_ascii() || words[1].contains('“'), "{what}: {}", words[1]);
        undisturbed(&mut alice).await;
    }
}

trait TakeBytes: std::io::Read + Sized {
    fn take_bytes(self, n: usize) -> std::io::Take<Self> {
        self.take(n.try_into().unwrap())
    }
}
impl<R: std::io::Read> TakeBytes for R {}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_edits_at_once_are_refused_whole() {
    let centre = Centre::open().await;
    let mut alice = alice(&centre).await;
    let one = alice.resident("张", GRID);
    alice.n -= 1;
    let mut request = alice.request(vec![one.clone(); 10_000]);
    let answer = refusal(alice.try_sync(request.edits.clone()).await, 413).await;
    assert!(answer.code == "too_many_edits" || answer.code == "body_too_large");
    request.edits.truncate(EDITS_A_ROUND + 1);
    let answer = refusal(alice.try_sync(request.edits).await, 413).await;
    assert_eq!(answer.code, "too_many_edits");
    assert!(answer.message.contains("1001") && answer.message.contains("1000"), "{}", answer.message);
    undisturbed(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_may_not_be_are_quarantined_each_with_its_reason() {
    let centre = Centre::open().await;
    let mut alice = alice(&centre).await;
    let record = alice.confirmed.keys().next().unwrap().0;
    let nowhere = alice.resident("一", shared::area::AreaId(4_000_000));
    let county = alice.resident("二", shared::area::AreaId(1));
    let foreign = alice.resident("三", FOREIGN_GRID);
    let mut form = alice.resident("四", GRID);
    form.form = 99;
    let mut kind = alice.change(record, &[("name", Value::text("五"))]);
    kind.kind = shared::record::RecordKind::Place;
    let mut many = alice.change(record, &[]);
    many.writes = (0..501).map(|n| (format!("tags/{n}").parse().unwrap(), Value::of(&true))).collect();
    let long = alice.change(record, &[("note", Value::text(&"长".repeat(100_000)))]);
    let empty = alice.change(record, &[]);
    let mut future = alice.change(record, &[("name", Value::text("六"))]);
    future.epoch = 7;
    let restricted = alice.change(record, &[("care_note", Value::text("在公开部分"))]);
    // A field this version does not know is carried: a newer handheld knows it.
    let newer = alice.change(record, &[("blood_pressure_app", Value::text("?"))]);
    use RejectReason::*;
    let expected = [Unknown, Unknown, NotAllowed, Unknown, Unknown, Size, Size, Protocol, Protocol, Form];
    let edits = vec![nowhere, county, foreign, form, kind, many, long, empty, future, restricted, newer];
    let answer = alice.sync(edits).await;
    let reasons: Vec<_> = (0..expected.len()).map(|place| rejected(&answer, place).reason).collect();
    assert_eq!(reasons, expected);
    applied(&answer, expected.len());
    assert_eq!(answer.high_water, 12);
    assert_eq!(alice.shown(record, "name"), "张伟");
    let kept = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.quarantine(true, 100)).unwrap();
    assert_eq!(kept.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_changed_is_refused_before_anything_is_applied() {
    let centre = Centre::open().await;
    let mut alice = alice(&centre).await;
    let good = alice.cursor.clone().unwrap();
    let edit = alice.resident("李强", GRID);
    alice.n -= 1;
    for bad in
        ["", "AAAA", "不是", &good[1..], &good.replace(&good[..1], if good.starts_with('B') { "C" } else { "B" })]
    {
        alice.cursor = Some(bad.to_owned());
        let answer = refusal(alice.try_sync(vec![edit.clone()]).await, 400).await;
        assert_eq!(answer.code, "cursor_invalid", "{bad}");
    }
    // Another device's cursor is a good one, but not this one's: fill anew.
    let bob = centre.person("bob", Role::GridMember, GRID, false);
    let mut bob = centre.enrol(&bob).await;
    bob.cursor = Some(good.clone());
    let answer = bob.sync(vec![]).await;
    assert!(answer.refill && answer.items.len() == 1);
    alice.cursor = Some(good);
    undisturbed(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_and_codes() {
    let centre = Centre::open().await;
    let mut alice = alice(&centre).await;
    let body = serde_json::to_vec(&alice.request(vec![])).unwrap();
    let answer = refusal(centre.post("/api/v1/sync", None, body.clone(), &[]).await, 401).await;
    assert_eq!(answer.code, "token_missing");
    let answer = refusal(centre.post("/api/v1/sync", Some("nonsense"), body.clone(), &[]).await, 401).await;
    assert_eq!(answer.code, "token_invalid");

    // A code is good once, for ten minutes.
    let user = centre.person("bob", Role::GridMember, GRID, false);
    let code = make_code(&centre.app, &user).unwrap();
    assert!(code.len() == 10 && code.bytes().all(|b| b.is_ascii_digit()));
    let spaced = format!("{} {}-{}", &code[..3], &code[3..6], &code[6..]);
    let enrol =
        |code: &str| format!(r#"{{"protocol":{PROTOCOL},"code":"{code}","name":"机","app":"0.1.0"}}"#).into_bytes();
    let first = centre.post("/api/v1/enrol", None, enrol(&spaced), &[]).await;
    assert_eq!(first.status(), 200);
    for bad in [code.as_str(), "0000000000", ""] {
        let answer = refusal(centre.post("/api/v1/enrol", None, enrol(bad), &[]).await, 403).await;
        assert_eq!(answer.code, "code_invalid");
    }
    let late = make_code(&centre.app, &user).unwrap();
    centre.clock.advance(CODE);
    assert_eq!(refusal(centre.post("/api/v1/enrol", None, enrol(&late), &[]).await, 403).await.code, "code_invalid");
    let unknown = format!("\"protocol\":{}", PROTOCOL + 1);
    let old = String::from_utf8(enrol(&late)).unwrap().replace(&format!("\"protocol\":{PROTOCOL}"), &unknown);
    let answer = refusal(centre.post("/api/v1/enrol", None, old.into(), &[]).await, 426).await;
    assert_eq!(answer.code, "protocol_unsupported");

    undisturbed(&mut alice).await;
    centre.clock.advance(TOKEN);
    let answer = refusal(alice.try_sync(vec![]).await, 401).await;
    assert_eq!(answer.code, "token_expired");
    assert!(answer.message.contains("登记码"), "{}", answer.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_and_methods_are_answered_in_words_too() {
    let centre = Centre::open().await;
    let alice = alice(&centre).await;
    let get =
        |path: String| centre.send(Method::GET, Box::leak(path.into_boxed_str()), Some(&alice.token), vec![], &[]);
    assert_eq!(refusal(get("/api/v1/nothing".to_owned()).await, 404).await.code, "not_found");
    assert_eq!(refusal(get("/api/v1/sync".to_owned()).await, 405).await.code, "method_not_allowed");
    assert_eq!(refusal(get("/api/v1/records/7/history".to_owned()).await, 404).await.code, "not_found");
    let foreign = shared::ids::RecordId::fresh(&*centre.clock);
    assert_eq!(refusal(get(format!("/api/v1/records/{foreign}/history")).await, 404).await.code, "not_found");
    let health = get("/healthz".to_owned()).await;
    assert_eq!(health.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_applies_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("town.db");
    let store = store::sqlite::SqliteStore::open(&path).unwrap();
    store.set_quota(1).unwrap();
    let fill = |text: &str| {
        store::write::<_, StoreError>(&store, TOWN, |tx| {
            for n in 0..2_000 {
                tx.set_meta(&format!("{text}{n}"), &"x".repeat(1_000))?;
            }
            Ok(())
        })
    };
    assert!(matches!(fill("a"), Err(StoreError::Full)));
    let meta = store::read::<_, StoreError>(&store, TOWN, |read| read.meta("a0")).unwrap();
    assert_eq!(meta, None, "nothing of it stands");
    // Room again: the same store goes on.
    store.set_quota(1_000_000).unwrap();
    fill("b").unwrap();
    let problem = sync_server::error::Problem::from(StoreError::Full);
    assert_eq!((problem.status.as_u16(), problem.code), (507, "disk_full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_over_http() {
    let mut centre = Centre::open().await;
    let user = centre.person("wei", Role::GridMember, GRID, false);
    let (quota, url) = centre.with_quota().await;
    centre.url = url;
    let mut alice = centre.enrol(&user).await;
    let create = alice.resident("张伟", GRID);
    applied(&alice.sync(vec![create]).await, 0);
    let used = quota.set_quota(1).unwrap();
    let n = alice.n;
    let edits: Vec<_> = (0..900).map(|n| alice.resident(&format!("居民{n}"), GRID)).collect();
    let answer = refusal(alice.try_sync(edits.clone()).await, 507).await;
    assert_eq!(answer.code, "disk_full");
    assert!(answer.message.contains("已满"), "{}", answer.message);
    let idle = alice.sync(vec![]).await;
    assert_eq!((idle.high_water, idle.items.len()), (n, 0), "reading still works and nothing was applied");
    quota.set_quota(used + 100_000).unwrap();
    assert_eq!(alice.sync(edits).await.high_water, n + 900);
}
