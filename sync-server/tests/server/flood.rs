//! A hundred thousand requests that nobody honest makes: whatever is sent, no answer is a failure of the server's, none holds
//! a value that the sender may not read, and what others hold is what it was. `make test` sends 3,000, `make hostile` 100,000.

use crate::common::tus::{hash, link, named};
use crate::common::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value as Json, json};
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::Part;
use shared::value::Value;

/// What the sender may not read: a far grid's resident, and what is restricted of one of its own.
const SECRETS: [&str; 4] = ["机密人", "13711112222", "每周送餐", "独居老人"];

/// xorshift64*: the same requests each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n as u64).unwrap()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What a liar knows of the world: ids it should not know included.
struct Known {
    records: Vec<String>,
    edits: Vec<String>,
    slots: Vec<u64>,
    cursors: Vec<String>,
    users: Vec<String>,
    hash: String,
}

fn value(dice: &mut Dice, known: &Known) -> Json {
    match dice.below(9) {
        0 => json!("假"),
        1 => json!(dice.one(&known.records)),
        2 => json!(dice.one(&[11, 12, 21, 2, 1, 999, 0])),
        3 => json!(true),
        4 => Json::Null,
        5 => json!({"id": dice.one(&known.records), "text": "假"}),
        6 => {
            json!({"step": dice.one(&["report", "dispatch", "close", "x"]), "text": "假", "host": dice.one(&known.users)})
        }
        7 => json!([1, [2, [3]]]),
        _ => json!("2027-12-31"),
    }
}

fn edit(dice: &mut Dice, known: &Known, n: u64) -> Json {
    let paths = [
        "name",
        "phone",
        "area",
        "care_note",
        "care_reason",
        "deleted",
        "merged_into",
        "tags/低保户",
        "lives_at",
        "title",
        "category",
        "account",
        "steps/018f0000-0000-7000-8000-000000000001",
        "nothing",
        "a/b/c",
        "",
    ];
    let mut writes = serde_json::Map::new();
    for _ in 0..dice.below(4) {
        let path = if dice.below(8) == 0 { format!("photos/{}", known.hash) } else { dice.one(&paths).to_owned() };
        writes.insert(path, value(dice, known));
    }
    let context: serde_json::Map<String, Json> = (0..dice.below(3))
        .map(|_| (dice.one(&known.slots).to_string(), json!(dice.one(&[1_u64, 2, 3, 9_007_199_254_740_992]))))
        .collect();
    json!({
        "id": if dice.below(4) == 0 { dice.one(&known.edits) } else { fresh(dice) },
        "record": if dice.below(4) == 0 { fresh(dice) } else { dice.one(&known.records) },
        "kind": dice.one(&["person", "event", "place", "object", "organization", "ghost"]),
        "part": dice.one(&["open", "open", "restricted", "both"]),
        "dot": [if dice.below(3) == 0 { dice.one(&known.slots) } else { known.slots[0] },
                if dice.below(4) == 0 { dice.one(&[0, 1, 2, u64::MAX]) } else { n }],
        "context": context,
        "epoch": dice.one(&[0, 1, 1, 1, 7]),
        "at": dice.one(&[0_i64, 1_795_000_000_000, i64::MAX, -62_135_596_800_001]),
        "zone": dice.one(&[480, 0, -9_999]),
        "author": {"user": dice.one(&known.users), "name": "假", "role": dice.one(&["grid_member", "center_staff", "king"])},
        "form": dice.one(&[1, 1, 1, 2, 99]),
        "writes": writes,
    })
}

fn fresh(dice: &mut Dice) -> String {
    format!(
        "018f{:04x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        dice.below(65_536),
        dice.below(65_536),
        dice.below(4_096),
        dice.below(4_096),
        dice.roll() & 0xffff_ffff_ffff
    )
}

fn cursor(dice: &mut Dice, known: &Known) -> Json {
    let mut text = dice.one(&known.cursors);
    match dice.below(4) {
        0 => return Json::Null,
        1 => {
            let mut bytes = text.into_bytes();
            let at = dice.below(bytes.len());
            bytes[at] = b'A' + u8::try_from(dice.below(26)).unwrap();
            text = String::from_utf8(bytes).unwrap();
        }
        _ => {}
    }
    json!(text)
}

fn round(dice: &mut Dice, known: &Known, n: u64) -> Json {
    let ids = |dice: &mut Dice, of: &[String]| (0..dice.below(3)).map(|_| dice.one(of)).collect::<Vec<_>>();
    let mut body = json!({"protocol": dice.one(&[2, 2, 2, 2, 1, 0, 3, 99])});
    let fields = body.as_object_mut().unwrap();
    let mut put = |name: &str, value: Json| drop(fields.insert(name.to_owned(), value));
    if dice.below(3) > 0 {
        put("cursor", cursor(dice, known));
    }
    if dice.below(2) == 0 {
        let edits: Vec<Json> = (0..=dice.below(2) as u64).map(|more| edit(dice, known, n + more)).collect();
        put("edits", json!(edits));
    }
    match dice.below(10) {
        0 => put("withdrawn", json!(ids(dice, &known.edits))),
        1 => put("again", json!([[dice.one(&known.records), dice.one(&["open", "restricted"])]])),
        2 => put(
            "digest",
            json!({"version": dice.one(&[1, 2, 9]), "branches": [[dice.one(&["open", "restricted"]), dice.one(&["", "0", "01", "zz", "0123456789abcdef"])]]}),
        ),
        3 => put("held", json!([{"edit": edit(dice, known, n), "why": {"reason": "not_allowed"}}])),
        4 => {
            put("elsewhere", json!({"upto": {dice.one(&known.slots).to_string(): 1}, "held": ids(dice, &known.edits)}))
        }
        5 => put(
            "remains",
            json!([{"edit": dice.one(&known.edits), "record": dice.one(&known.records), "kind": "person",
            "part": dice.one(&["open", "restricted"]), "path": "phone", "value": "假", "at": 0,
            "author": {"user": dice.one(&known.users), "name": "假", "role": "grid_member"}}]),
        ),
        6 => put(
            "looks",
            json!([{"id": fresh(dice), "record": dice.one(&known.records), "field": dice.one(&["phone", "restricted", "'; --"]), "at": 0}]),
        ),
        7 => put("lease", json!(true)),
        8 => put("epoch", json!(dice.one(&[0, 1, 2]))),
        _ => put(
            "device",
            json!({"app": "假".repeat(dice.below(50)), "clock": dice.one(&[0_i64, i64::MAX]), "undelivered": 1}),
        ),
    }
    body
}

fn question(dice: &mut Dice, known: &Known) -> Json {
    let kept: Vec<Json> = (0..dice.below(4))
        .map(|n| {
            json!({"id": dice.one(&known.edits), "dot": [dice.one(&known.slots), n + 1], "sure": true,
            "once": [[[dice.one(&known.slots), 1], true]]})
        })
        .collect();
    json!({"protocol": 2, "key": fresh(dice), "restored": false, "epoch": dice.one(&[0, 1, 2]), "last": dice.one(&[0, 1, 9]),
        "kept": kept, "over": [[dice.one(&known.edits), [dice.one(&known.slots), 1]]], "lease": true})
}

/// Some bytes are others, doubled or missing.
fn spoil(dice: &mut Dice, body: Vec<u8>) -> Vec<u8> {
    let mut body = body;
    for _ in 0..=dice.below(3) {
        let at = dice.below(body.len().max(1)).min(body.len());
        match dice.below(3) {
            0 if at < body.len() => body[at] = u8::try_from(dice.below(256)).unwrap(),
            1 => body.insert(at, b"{[\",:}0"[dice.below(7)]),
            _ => body.truncate(at),
        }
    }
    body
}

fn requests() -> u64 {
    std::env::var("REQUESTS").ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(3_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_nothing_fails_and_nothing_leaks() {
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let juan = centre.person("juan", Role::GridLeader, GRID, true);
    let yuan = centre.person("yuan", Role::GridMember, FAR_GRID, true);
    let (mut liar, mut honest, mut far) =
        (centre.enrol(&wei).await, centre.enrol(&juan).await, centre.enrol(&yuan).await);
    for hand in [&mut liar, &mut honest, &mut far] {
        hand.catch_up().await;
    }
    let create = honest.resident("张伟", GRID);
    let shared = create.record;
    let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];
    applied(&honest.sync(vec![create.clone()]).await, 0);
    let care = honest.care(shared, &care.map(|(path, value)| (path, Value::text(value))));
    applied(&honest.sync(vec![care.clone()]).await, 0);
    let mut secret = far.resident("机密人", FAR_GRID);
    secret.writes.insert("phone".parse().unwrap(), Value::text("13711112222"));
    applied(&far.sync(vec![secret.clone()]).await, 0);
    let photo = jpeg(64, 48, "机密照片");
    assert_eq!(far.deliver(&photo).await.status(), 204);
    let mut event = far.event("远处的事", FAR_GRID);
    link(&mut event, &hash(&photo));
    applied(&far.sync(vec![event.clone()]).await, 0);
    liar.catch_up().await;
    let held = far.confirmed.clone();

    let known = Known {
        records: [shared, secret.record, event.record, RecordId::fresh(&*centre.clock)]
            .map(|id| id.to_string())
            .to_vec(),
        edits: [create.id, care.id, secret.id].map(|id| id.to_string()).to_vec(),
        slots: vec![liar.slot.0, honest.slot.0, far.slot.0, 3],
        cursors: [&liar, &honest, &far].map(|hand| hand.cursor.clone().unwrap()).to_vec(),
        users: [wei.id, juan.id, yuan.id].map(|id| id.to_string()).to_vec(),
        hash: hash(&photo).as_str().to_owned(),
    };
    let (mut dice, mut n, mut statuses) = (Dice(0x9e37_79b9_7f4a_7c15), 1_u64, std::collections::BTreeMap::new());
    let count = requests();
    let mut uploads = vec!["/api/v1/photos/uploads/00000000-0000-7000-8000-000000000000".to_owned()];
    for _ in 0..count {
        let mut headers: Vec<(&str, &str)> = Vec::new();
        let of_photo = format!(
            "kind cGhvdG8=,hash {}",
            STANDARD.encode(dice.one(&[
                known.hash.clone(),
                "ab".repeat(32),
                "zz".to_owned(),
                hash(&n.to_be_bytes()).as_str().to_owned()
            ]))
        );
        let mut method = None;
        let (path, body) = match dice.below(20) {
            0 => ("/api/v1/slot".to_owned(), question(&mut dice, &known)),
            1 => (format!("/api/v1/records/{}/history", dice.one(&known.records)), Json::Null),
            2 => (format!("/api/v1/photos/{}?record={}", known.hash, dice.one(&known.records)), Json::Null),
            3 => (
                "/api/v1/enrol".to_owned(),
                json!({"protocol": 2, "code": format!("{:010}", dice.below(1_000_000)), "name": "假", "app": "0"}),
            ),
            4 => (
                dice.one(&["/console", "/console/records", "/console/audit", "/api/v1/nothing", "/healthz"]).to_owned(),
                Json::Null,
            ),
            5 => (format!("/console/records/{}", dice.one(&known.records)), Json::Null),
            6 => {
                headers.extend([
                    ("tus-resumable", dice.one(&["1.0.0", "0.2"])),
                    ("upload-length", dice.one(&["0", "1", "12", "-1", "99999999999", "18446744073709551615"])),
                    ("upload-metadata", &of_photo),
                ]);
                method = Some(Method::POST);
                ("/api/v1/photos".to_owned(), Json::Null)
            }
            8 | 9 => {
                headers.extend([
                    ("tus-resumable", "1.0.0"),
                    ("content-type", "application/offset+octet-stream"),
                    ("upload-offset", dice.one(&["0", "1", "12", "x", "18446744073709551615"])),
                ]);
                method = Some(dice.one(&[Method::PATCH, Method::PATCH, Method::HEAD, Method::GET, Method::DELETE]));
                (dice.one(&uploads), json!({ "piece": "x".repeat(dice.below(20)) }))
            }
            7 => ("/api/v1/wiped".to_owned(), Json::Null),
            _ => ("/api/v1/sync".to_owned(), round(&mut dice, &known, n)),
        };
        let mut bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        if dice.below(6) == 0 && !bytes.is_empty() {
            bytes = spoil(&mut dice, bytes);
        }
        if dice.below(20) == 0 {
            headers.push(("content-encoding", dice.one(&["zstd", "gzip", "br"])));
        }
        let token = match dice.below(12) {
            0 => None,
            1 => Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
            _ => Some(liar.token.clone()),
        };
        let usual = if bytes.is_empty() && path != "/api/v1/wiped" { Method::GET } else { Method::POST };
        let method = method.unwrap_or(usual);
        let sent = String::from_utf8_lossy(&bytes).into_owned();
        let response = centre.send(method.clone(), &path, token.as_deref(), bytes, &headers).await;
        if response.status() == 201 && uploads.len() < 20 {
            uploads.push(named(&response, "location").to_owned());
        }
        let whole = response.status() == 200 && path.contains(&known.hash);
        assert!(!whole, "a photo of others was given to {method} {path}");
        let (status, text) =
            (response.status().as_u16(), String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned());
        assert!(status < 500, "{status} to {method} {path} {sent}: {text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in the answer to {method} {path} {sent}: {text}");
        }
        // Where it had an edit taken, or refused one by one, the next has the next number.
        if let Some(high) = serde_json::from_str::<Json>(&text).ok().and_then(|answer| answer["high_water"].as_u64()) {
            n = high + 1;
        }
        *statuses.entry(status).or_insert(0_u64) += 1;
    }
    eprintln!("{count} requests: {statuses:?}, {} edits under the liar's slot", n - 1);
    assert!(statuses[&200] * 10 > count && n > 10, "hardly anything came as far as the store: {statuses:?}");
    assert!(uploads.len() > 1, "no upload was ever begun");
    far.catch_up().await;
    let key = (secret.record, Part::Open);
    assert_eq!(far.confirmed[&key], held[&key]);
}
