//! What somebody may not read is not counted for them either: a number beside a search tells whether there is one.

use crate::common::desk::*;
use crate::common::*;
use shared::area::AreaId;
use shared::author::Role;
use shared::value::Value;

/// The ledger after a search, with what was typed taken out of it.
async fn found(desk: &Desk<'_>, query: &str) -> String {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let page = desk.page(&format!("/console/records?q={encoded}")).await;
    page.replace(&encoded, "…").replace(query, "…")
}

#[tokio::test]
async fn no_count_tells_who_lives_there() {
    let centre = Centre::open().await;
    person(&centre, "patrol", Role::PatrolMember, AreaId(10), false, false);
    person(&centre, "admin", Role::Admin, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, AreaId(10), false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let event = wei.event("井盖破损", GRID);
    applied(&wei.sync(vec![event]).await, 0);
    let (patrol, admin) = (Desk::logged_in(&centre, "patrol").await, Desk::logged_in(&centre, "admin").await);
    let (before, admins) = (patrol.page("/console").await, admin.page("/console").await);

    let more = [("phone", Value::text("13912345678")), ("address", Value::text("长渠街三号"))];
    let who = resident(&mut wei, "张伟", GRID, &more).await;
    for typed in ["张伟", "13912345678", "长渠街三号"] {
        let there = found(&patrol, typed).await;
        assert!(there.contains("0 条"), "{typed}: {there}");
        assert_eq!(there, found(&patrol, "没有的人").await, "{typed}");
    }
    let visit = wei.visit(Some(who), GRID, "煤快烧完了");
    applied(&wei.sync(vec![visit]).await, 0);
    for (desk, n) in [(&patrol, "1 条"), (&admin, "2 条")] {
        assert!(desk.page("/console/records").await.contains(n));
        assert!(desk.page("/console/records?kind=event").await.contains("1 条"), "the visit is not counted");
    }
    // The figures of the first page: of residents and visits nothing to the patrol, of visits nothing to the administrator.
    assert_eq!(patrol.page("/console").await, before);
    let counted = |page: &str| {
        let row = page.split("/console/records?kind=person\">人 ").nth(1)?;
        row.split('<').next().map(str::to_owned)
    };
    assert_eq!((counted(&admins), counted(&admin.page("/console").await)), (None, Some("1".to_owned())));

    let leader = Desk::logged_in(&centre, "leader").await;
    assert!(found(&leader, "张伟").await.contains("1 条"));
    assert!(leader.page("/console/records").await.contains("3 条"));
}
