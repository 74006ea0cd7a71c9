//! What whoever watches the server reads: counts and times that grow with the work, no name and no id of anybody.

use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use shared::value::Value;

#[tokio::test]
async fn figures_grow_with_the_work_and_name_nobody() {
    let centre = Centre::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    tokio::spawn(sync_server::metrics::serve(centre.app.clone(), listener));
    let figures = async || {
        let answer = reqwest::get(&url).await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
        answer.text().await.unwrap()
    };
    let member = centre.person("member", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&member).await;
    let (one, mut bad) = (hand.resident("张秀英", GRID), hand.resident("李国华", GRID));
    let record = one.record;
    bad.writes.insert("area".parse().unwrap(), Value::of(&FAR_GRID));
    hand.sync(vec![one, bad]).await;
    let told = figures().await;
    for line in [
        "grid_edits_total{outcome=\"applied\"} 1",
        "grid_edits_total{outcome=\"not_allowed\"} 1",
        "grid_quarantine{town=\"2\"} 1.0",
        "grid_seq{town=\"2\",part=\"open\"} 1.0",
        "grid_terminals{town=\"2\",stands=\"heard\"} 0.0",
        "grid_terminals{town=\"2\",stands=\"silent\"} 1.0",
        "grid_epoch 1.0",
    ] {
        assert!(told.lines().any(|it| it == line), "{line} is not in\n{told}");
    }
    assert!(
        told.contains("grid_request_seconds_count{method=\"POST\",route=\"/api/v1/sync\",status=\"2xx\"} 1"),
        "{told}"
    );
    assert_eq!(told.matches("# EOF").count(), 1, "{told}");
    for secret in
        ["张秀英", "李国华", "member", &record.to_string(), &member.id.to_string(), &hand.enrolled.device.to_string()]
    {
        assert!(!told.contains(secret), "{secret} is in\n{told}");
    }
    // Whoever reaches the server itself reaches no figures.
    let public = reqwest::get(format!("{}/metrics", centre.url)).await.unwrap();
    assert_eq!(public.status(), StatusCode::NOT_FOUND);
}
