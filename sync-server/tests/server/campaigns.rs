//! 专项排查 at the console.

use crate::common::desk::*;
use crate::common::*;
use shared::author::Role;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;

#[tokio::test]
async fn one_for_a_community_goes_to_its_grids_though_a_target_may_lie_in_another() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "leader", Role::GridLeader, FAR_GRID, false, false);
    let mut wei = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut juan = centre.enrol(&centre.person("juan", Role::GridLeader, TOWN, false)).await;
    let mut shop = wei.resident("粮站", GRID);
    shop.kind = RecordKind::Organization;
    shop.writes.insert(Path::field("type"), Value::text("company"));
    let place = shop.record;
    applied(&wei.sync(vec![shop]).await, 0);
    // Two say at once where it belongs.
    for hand in [&mut wei, &mut juan] {
        hand.catch_up().await;
    }
    let area = |hand: &mut Handheld<'_>, area| {
        hand.edit(place, RecordKind::Organization, Part::Open, &[("area", Value::of(&area))])
    };
    let (here, there) = (area(&mut wei, GRID), area(&mut juan, FAR_GRID));
    applied(&wei.sync(vec![here]).await, 0);
    applied(&juan.sync(vec![there]).await, 0);

    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/campaigns").await;
    let asked = [("title", "冬季用火"), ("targets", "organization"), ("area", "20"), ("until", "2031-01-15")];
    let page = desk.submit(&page, "/console/campaigns", &asked).await;
    assert!(page.contains("冬季用火") && page.contains("城北社区第一网格"), "{page}");
    let mut far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
    far.catch_up().await;
    wei.catch_up().await;
    let campaigns = |hand: &Handheld<'_>| {
        let all = hand.confirmed.values();
        all.filter(|state| state.live(&Path::element("targets", &place.to_string())).next().is_some()).count()
    };
    assert_eq!((campaigns(&far), campaigns(&wei)), (1, 0));
    // Who looks from that side finds it there.
    let leader = Desk::logged_in(&centre, "leader").await;
    assert!(leader.page("/console/campaigns").await.contains("冬季用火"));
}
