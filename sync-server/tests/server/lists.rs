//! The lists of what waits at the centre: whoever fills them with what is nobody's business pushes nothing out, and says
//! nobody's name.

use crate::common::desk::*;
use crate::common::*;
use shared::author::Role;
use shared::ids::{EditId, RecordId};
use shared::limits::REMAINS_A_USER;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{RejectReason, Remain, SyncRequest};
use sync_server::store::{self, KeptRemain, StoreError};
use sync_server::sync::epoch::{self, Why};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_edits_hides_none_from_whoever_decides_on_it() {
    let centre = Centre::open().await;
    person(&centre, "leader", Role::GridLeader, GRID, false, false);
    person(&centre, "far", Role::GridLeader, FAR_GRID, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, NEXT_GRID, false)).await;
    let waits = wei.resident("该收下的人", GRID);
    assert_eq!(rejected(&wei.sync(vec![waits]).await, 0).reason, RejectReason::NotAllowed);
    let flood = (0..250).map(|n| wei.resident(&format!("没完没了{n:03}"), FAR_GRID)).collect();
    rejected(&wei.sync(flood).await, 249);

    let leader = Desk::logged_in(&centre, "leader").await;
    let page = leader.page("/console/quarantine").await;
    assert!(page.contains("该收下的人") && !page.contains("没完没了") && !page.contains("下一页"), "{page}");
    // In the side too: one waits.
    let side = page.split("href=\"/console/quarantine\"").nth(1).unwrap().split("</a>").next().unwrap();
    assert!(side.contains("<b>1</b>"), "{side}");

    // Whose they are goes through them page by page, the newest first, and misses none.
    let far = Desk::logged_in(&centre, "far").await;
    let mut seen = 0;
    for (page, first, more) in [(1, "没完没了249", true), (2, "没完没了149", true), (3, "没完没了049", false)]
    {
        let text = far.page(&format!("/console/quarantine?page={page}")).await;
        assert!(text.contains(first) && text.contains("下一页") == more, "{page}: {text}");
        assert_eq!(text.contains("上一页"), page > 1);
        seen += text.matches("/dismiss\"").count();
    }
    assert_eq!(seen, 250);
}

fn remain(centre: &Centre, hand: &Handheld<'_>, record: RecordId, value: &str) -> Remain {
    Remain {
        edit: EditId::fresh(&*centre.clock),
        record,
        kind: RecordKind::Person,
        part: Part::Open,
        path: "address".parse().unwrap(),
        value: Value::text(value),
        at: centre.clock.now(),
        author: hand.author.clone(),
    }
}

async fn tell(hand: &mut Handheld<'_>, remains: Vec<Remain>) {
    let request = SyncRequest { remains, ..hand.request(vec![]) };
    let told = answer(hand.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
    hand.take(&told, &[]);
}

fn restored(centre: &Centre) {
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        epoch::begin(tx, centre.clock.now(), 0, Why::Restored)
    })
    .unwrap();
}

/// As if so many values had been told of already, each of a record that is not here, with ids before all others.
fn told_before(centre: &Centre, hand: &Handheld<'_>, n: u64) {
    let kept: Vec<KeptRemain> = (1..=n)
        .map(|n| KeptRemain {
            remain: Remain {
                edit: EditId(Uuid::from_u128(u128::from(n))),
                ..remain(centre, hand, RecordId(Uuid::from_u128(u128::from(n))), "没人的地址")
            },
            shown_by: hand.author.user.unwrap(),
            shown: centre.clock.now(),
        })
        .collect();
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.put_remains(&kept)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_as_lost_where_nothing_was_restored_nor_more_than_anybody_can_have_lost() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut lin = centre.enrol(&centre.person("lin", Role::Informant, GRID, false)).await;
    let who = resident(&mut wei, "张伟", GRID, &[]).await;
    let nobody = RecordId::fresh(&*centre.clock);
    for (hand, record) in [(&mut wei, who), (&mut lin, nobody)] {
        let words = remain(&centre, hand, record, "编的地址");
        tell(hand, vec![words]).await;
    }
    let kept = || store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.remains(99)).unwrap();
    assert_eq!(kept(), []);

    restored(&centre);
    told_before(&centre, &lin, REMAINS_A_USER - 1);
    let mine = || store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.remains_of(nobody)).unwrap();
    let words = ["最后一句", "多出来的"].map(|value| remain(&centre, &lin, nobody, value));
    tell(&mut lin, words.to_vec()).await;
    let one_more = remain(&centre, &lin, nobody, "再来一句");
    tell(&mut lin, vec![one_more]).await;
    assert_eq!(mine().iter().map(|kept| kept.remain.value.plain()).collect::<Vec<_>>(), ["最后一句"]);
    // Nobody else is kept from telling.
    let words = remain(&centre, &wei, who, "旧粮站院内");
    tell(&mut wei, vec![words]).await;
    let of = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.remains_of(who)).unwrap();
    assert_eq!(of.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_of_nobody_hides_what_is_lost_of_somebody_and_informants_stay_unnamed() {
    let centre = Centre::open().await;
    for (login, role, area) in [("leader", Role::GridLeader, GRID), ("staff", Role::CenterStaff, TOWN)] {
        person(&centre, login, role, area, false, false);
    }
    let mut lin = centre.enrol(&centre.person("lin", Role::Informant, GRID, false)).await;
    let report = lin.event("路灯坏了", GRID);
    let event = report.record;
    applied(&lin.sync(vec![report]).await, 0);
    restored(&centre);
    told_before(&centre, &lin, 600);
    let words = Remain {
        kind: RecordKind::Event,
        path: "account".parse().unwrap(),
        ..remain(&centre, &lin, event, "灯杆下面在漏电")
    };
    tell(&mut lin, vec![words]).await;

    let leader = Desk::logged_in(&centre, "leader").await;
    let page = leader.page("/console/remains").await;
    assert!(page.contains("灯杆下面在漏电") && page.contains("路灯坏了"), "{page}");
    assert!(page.contains("信息员（姓名仅中心可见）的终端") && !page.contains("lin的姓名"), "{page}");
    assert!(!page.contains("没人的地址") && !page.contains("下一页"), "{page}");
    // Staff of the town see all of it, a page at a time, and the name.
    let staff = Desk::logged_in(&centre, "staff").await;
    let first = staff.page("/console/remains").await;
    assert!(!first.contains("灯杆下面在漏电") && first.contains("下一页") && first.contains("lin的姓名"), "{first}");
    assert_eq!(first.matches("没人的地址").count(), 50);
    let last = staff.page("/console/remains?page=13").await;
    assert!(last.contains("灯杆下面在漏电") && !last.contains("下一页"), "{last}");
    // Seen to, it is gone from both.
    let page = leader.submit(&page, &format!("/console/remains/{event}/done"), &[]).await;
    assert!(page.contains("没有要看的"), "{page}");
    let last = staff.page("/console/remains?page=12").await;
    assert!(last.contains("没人的地址") && !last.contains("下一页"), "{last}");
}
