//! 终端 at the console: who is silent, who runs an old version, who still holds something.

use crate::common::desk::*;
use crate::common::*;
use chrono::TimeDelta;
use shared::author::Role;
use shared::outside::Outside;
use shared::wire::{DeviceState, SyncRequest};

async fn says(hand: &Handheld<'_>, app: &str, web_view: Option<&str>, battery: u8, undelivered: u32) {
    let clock = hand.centre.clock.now();
    let web_view = web_view.map(str::to_owned);
    let device = Some(DeviceState { app: app.to_owned(), battery: Some(battery), clock, undelivered, web_view });
    let request = SyncRequest { device, ..hand.request(vec![]) };
    answer(hand.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
}

/// The names in the list, in its order.
fn listed(page: &str) -> Vec<&str> {
    let rows = page.split("<tbody>").nth(1).map(|rest| rest.split("</tbody>").next().unwrap()).unwrap_or_default();
    let known = ["wei", "li", "zhao", "gone"];
    let of = |row: &str| known.into_iter().find(|name| row.contains(&format!(">{name}的姓名<")));
    rows.split("<tr>").filter_map(of).collect()
}

#[tokio::test]
async fn terminals_are_found_by_what_is_wrong_with_them() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let mut hands = Vec::new();
    for login in ["gone", "li", "zhao", "wei"] {
        hands.push(centre.enrol(&centre.person(login, Role::GridMember, GRID, false)).await);
    }
    says(&hands[0], "0.9.0", None, 50, 0).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/terminals").await;
    let end = action_of_link(&page, "/end");
    let page = desk.page(&end).await;
    desk.submit(&page, &end, &[("fate", "revoked")]).await;
    says(&hands[2], "0.10.0", None, 90, 0).await;
    centre.clock.advance(TimeDelta::days(4));
    // An app of before says nothing of its web view.
    says(&hands[1], "0.9.0", Some("80.0.3987.99"), 15, 7).await;
    says(&hands[3], "0.10.0", Some("119.0.6045.66"), 60, 2).await;

    let desk = Desk::logged_in(&centre, "staff").await;
    let list = async |query: &str| desk.page(&format!("/console/terminals{query}")).await;
    let all = list("").await;
    assert_eq!(listed(&all).len(), 4, "{all}");
    assert!(all.contains("网页内核 80") && all.contains("15%") && all.contains(&hands[1].slot.to_string()), "{all}");
    for (view, expected) in
        [("silent", vec!["zhao"]), ("old", vec!["li"]), ("owes", vec!["wei", "li"]), ("ended", vec!["gone"])]
    {
        let page = list(&format!("?view={view}")).await;
        let mut found = listed(&page);
        found.sort_by_key(|name| expected.iter().position(|it| it == name));
        assert_eq!(found, expected, "{view}: {page}");
    }
    let order = async |sort: &str| -> Vec<String> {
        listed(&list(&format!("?view=all&sort={sort}")).await).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(order("owes").await[..2], ["li", "wei"], "who holds most first");
    assert_eq!(order("seen").await[..2], ["gone", "zhao"], "longest not seen first");
    assert_eq!(order("battery").await[0], "li");
    let by_app = order("app").await;
    assert!(
        by_app.iter().position(|it| it == "li") < by_app.iter().position(|it| it == "zhao"),
        "0.9 before 0.10: {by_app:?}"
    );
    assert_eq!(list("?view=nonsense&sort=nonsense").await.matches("的姓名<").count(), all.matches("的姓名<").count());
}

/// Where the first link leads that ends so.
fn action_of_link(page: &str, end: &str) -> String {
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    links.into_iter().find(|href| href.ends_with(end)).unwrap_or_else(|| panic!("no link {end} in {page}")).to_owned()
}
