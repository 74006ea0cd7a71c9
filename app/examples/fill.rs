//! Measures the handheld's own share of a first fill and of search: `cargo run --release -p app --example fill [records]`.
//!
//! No server and no network: pages are made beforehand. What is printed: reading the JSON, reading the states (keys that stand
//! twice are refused in both), taking the pages in; then opening again, saving, and searching.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use app::handheld::Filter;
use app::store::{Also, NewEdit, Page, Rules, Stamp, Store};
use app::system::System;
use serde_json::json;
use shared::calendar::Calendar;
use shared::form::Forms;
use shared::ids::{DeviceId, EditId, RecordId, Slot, UserId};
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{EnrolAnswer, SyncAnswer};

const FAMILY: &[char] =
    &['王', '李', '张', '刘', '陈', '杨', '黄', '赵', '吴', '周', '徐', '孙', '马', '朱', '胡', '郭'];
const GIVEN: &[char] = &[
    '伟', '芳', '娜', '敏', '静', '丽', '强', '磊', '军', '洋', '勇', '艳', '杰', '娟', '涛', '明', '超', '秀', '霞',
    '平', '刚', '桂', '英', '华', '玉', '兰', '建', '国', '文', '斌',
];
const STREETS: &[&str] =
    &["富民路", "南环路", "长城路", "人民路", "条山村一组", "条山村二组", "水源村三组", "永乐小区"];

fn pick<T: Copy>(list: &[T], n: usize) -> Option<T> {
    list.get(n % list.len().max(1)).copied()
}

fn resident(n: usize, outside: &dyn Outside) -> serde_json::Value {
    let mixed = n.wrapping_mul(2_654_435_761);
    let name: String =
        [pick(FAMILY, n), pick(GIVEN, mixed >> 5), pick(GIVEN, mixed >> 13)].into_iter().flatten().collect();
    let address = format!("一条山镇{}{}号楼{}室", pick(STREETS, mixed >> 7).unwrap_or_default(), n % 40, 100 + n % 900);
    let live = |value: serde_json::Value| json!([[0, value]]);
    json!({
        "id": RecordId::fresh(outside),
        "kind": "person",
        "state": {
            "vector": { "77": n + 1 },
            "heads": [[[77, n + 1], {
                "id": EditId::fresh(outside), "at": 1_795_000_000_000_u64, "zone": 480,
                "author": { "name": "导入", "role": "center_staff" }, "form": 1,
            }]],
            "live": {
                "name": live(json!(name)),
                "id_type": live(json!("resident_id")),
                "id_number": live(json!(format!("99990119{:02}{:02}{:02}{:04}", 40 + n % 60, 1 + n % 12, 1 + n % 28, n % 9999))),
                "phone": live(json!(format!("139{:08}", mixed % 100_000_000))),
                "address": live(json!(address)),
                "residence_status": live(json!("resident")),
                "relation": live(json!("self")),
                "employer": live(json!({ "text": "一条山镇农贸市场" })),
                "note": live(json!("每季度上门一次，核对联系电话和住址。")),
                "area": live(json!(31 + n % 66)),
            },
        },
    })
}

fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[allow(clippy::print_stdout, reason = "a measuring program prints")]
fn main() -> Result<()> {
    let count: usize = std::env::args().nth(1).map_or(Ok(72_000), |count| count.parse())?;
    let outside = System;
    let folder = std::env::temp_dir().join(format!("fill-{}", outside.uuid()));
    let rules = Rules::new(Forms::parse(assets::FORMS.iter().copied())?, Calendar::parse(assets::CALENDAR)?);
    let setup = json!({
        "version": "1", "town": 2, "user": { "id": UserId::fresh(&outside), "name": "马兰", "role": "grid_leader", "cleared": false },
        "areas": [], "scope": [2], "handlers": [],
    });
    let enrolment = EnrolAnswer {
        device: DeviceId::fresh(&outside),
        slot: Slot::fresh(&outside),
        epoch: 1,
        token: "t".to_owned(),
        expires: outside.now(),
        setup: serde_json::from_value(setup)?,
        key: None,
    };
    let pages: Vec<Vec<u8>> = (0..count)
        .collect::<Vec<_>>()
        .chunks(4_000)
        .map(|chunk| {
            let items: Vec<_> = chunk.iter().map(|n| resident(*n, &outside)).collect();
            let last = chunk.last().is_some_and(|n| *n == count - 1);
            serde_json::to_vec(&json!({
                "high_water": 0, "epoch": 1, "items": items, "more": !last, "refill": chunk.first() == Some(&0),
                "cursor": "c", "time": outside.now().timestamp_millis(),
            }))
        })
        .collect::<Result<_, _>>()?;
    let key = [7; 32];
    let path = folder.join("handheld.db");
    let store = Store::open(&path, &key, rules.clone())?;
    store.enrolled("https://example.test", &enrolment, &outside)?;

    let (mut parse, mut read, mut apply) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for page in &pages {
        let start = Instant::now();
        let answer: SyncAnswer = serde_json::from_slice(page)?;
        parse += start.elapsed();
        let start = Instant::now();
        let page = Page::read(answer, &outside, &rules)?;
        read += start.elapsed();
        let start = Instant::now();
        store.apply(page)?;
        apply += start.elapsed();
    }
    let bytes: usize = pages.iter().map(Vec::len).sum();
    println!("{count} records, {:.1} MB of JSON in {} pages", bytes as f64 / 1e6, pages.len());
    println!(
        "read JSON {parse:.0?}, read states {read:.0?}, take in {apply:.0?}; one after the other {:.0?}",
        parse + read + apply
    );

    drop(store);
    let start = Instant::now();
    let store = Store::open(&path, &key, rules)?;
    println!("open {:.0?}", start.elapsed());

    for query in [
        "张",
        "伟",
        "张伟",
        "zw",
        "zhangw",
        "13",
        "139",
        "1391",
        "5678",
        "富民路",
        "条山村一",
        "12号楼",
        "张 富民",
        "不会有",
        "qq",
        "9",
    ] {
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..100 {
            let start = Instant::now();
            found = store.search(query, &Filter::default(), None, 50, 0)?.0.len();
            times.push(start.elapsed());
        }
        println!(
            "search {query}: {found} hits, p50 {:.2?}, p99 {:.2?}",
            percentile(&mut times, 50),
            percentile(&mut times, 99)
        );
    }

    let ids: Vec<RecordId> = store.ids()?.into_iter().map(|(id, _)| id).collect();
    let author =
        shared::author::Author { user: None, name: "马兰".to_owned(), role: shared::author::Role::GridMember };
    let author = Arc::new(author);
    let mut times = Vec::new();
    for (n, record) in ids.iter().step_by((count / 500).max(1)).enumerate() {
        let edit = NewEdit {
            id: EditId::fresh(&outside),
            record: *record,
            kind: RecordKind::Person,
            part: Part::Open,
            context: store.record(*record)?.map(|held| held.open.vector().clone()).unwrap_or_default(),
            seen: None,
            form: 1,
            writes: [(Path::field("phone"), Value::text(&format!("138{n:08}")))].into(),
        };
        let stamp = Stamp { at: outside.now(), zone: 480, author: Arc::clone(&author) };
        let start = Instant::now();
        store.save(vec![edit], &stamp, Also::default())?;
        times.push(start.elapsed());
    }
    println!("save {}: p50 {:.2?}, p99 {:.2?}", times.len(), percentile(&mut times, 50), percentile(&mut times, 99));
    drop(store);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
