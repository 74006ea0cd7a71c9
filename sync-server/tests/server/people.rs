//! People come and go: what they are and may do changes by a command, and counts at the next request.

use crate::common::audit::{entries, run};
use crate::common::desk::*;
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_out_at_the_next_request_and_comes_back_with_what_they_had() {
    let centre = Centre::open().await;
    let wei = person(&centre, "wei", Role::GridLeader, GRID, false, false);
    let mut alice = centre.enrol(&wei).await;
    alice.catch_up().await;
    let desk = Desk::logged_in(&centre, "wei").await;
    assert_eq!(desk.get("/console/records").await.status(), StatusCode::OK);
    let data = centre.folder.path().to_str().unwrap().to_owned();
    let change = |more: &[&str]| run(&[&["user", "change", "--data", &data, "--login", "wei"], more].concat());

    let (done, said) = change(&["--active", "false"]);
    assert!(done, "{said}");
    assert_eq!(alice.try_sync(vec![]).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(desk.get("/console/records").await.status(), StatusCode::SEE_OTHER, "to the log-in");

    let (done, said) = change(&["--active", "true", "--role", "grid_member", "--cleared", "true"]);
    assert!(done, "{said}");
    let edit = alice.resident("回来以后", GRID);
    applied(&alice.sync(vec![edit]).await, 0);
    let (done, said) = change(&["--area", "91"]);
    assert!(!done && said.contains("another town"), "{said}");
    let (done, said) = change(&["--name", " "]);
    assert!(!done, "{said}");
    let written: Vec<String> = entries(&centre.app, TOWN)
        .into_iter()
        .filter(|entry| entry.action == "audit-user-changed")
        .map(|entry| entry.detail)
        .collect();
    assert_eq!(written, ["active", "role cleared active"]);
}
