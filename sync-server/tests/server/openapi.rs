//! The OpenAPI document is true: real requests and answers fit its schemas, to the last member, and its paths answer.

use crate::common::*;
use reqwest::Method;
use serde_json::{Value as Json, json};
use shared::author::Role;
use shared::digest::{Prefix, VERSION};
use shared::record::Part;
use shared::value::Value;
use shared::wire::{DeviceState, DigestAsk, Remain};
use sync_server::store::{self, Edition, StoreError};

/// As much of JSON Schema 2020-12 as the document uses.
fn fit(document: &Json, schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).ok_or(format!("no {reference}"))?;
        return fit(document, named, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices.iter().filter(|choice| fit(document, choice, value, at).is_ok()).count();
        return if fitting == 1 { Ok(()) } else { Err(format!("{at}: {fitting} choices fit")) };
    }
    let right = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some(other) => return Err(format!("{at}: the type {other} is not checked here")),
    };
    if !right || schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        return Err(format!("{at}: {value} does not fit {schema}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if value.get(name).is_none() {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let inner = match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Json::Null, Json::Bool(false)) => return Err(format!("{at}: {name} is not in the document")),
            (Json::Null, other) => other,
            (known, _) => known,
        };
        fit(document, inner, member, &format!("{at}.{name}"))?;
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        let inner = schema["prefixItems"].get(place).unwrap_or(&schema["items"]);
        fit(document, inner, item, &format!("{at}[{place}]"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_travels_is_what_the_document_says() {
    let centre = Centre::open().await;
    let get = |path: &'static str, token: Option<String>| {
        let centre = &centre;
        async move { centre.send(Method::GET, path, token.as_deref(), vec![], &[]).await }
    };
    let document: Json = get("/api/v1/openapi.json", None).await.json().await.unwrap();
    let check = |name: &str, value: &Json| {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        fit(&document, &schema, value, name).unwrap_or_else(|why| panic!("{why}\n{value:#}"));
    };
    check("Health", &get("/healthz", None).await.json().await.unwrap());
    check("Ready", &get("/ready", None).await.json().await.unwrap());
    let user = centre.person("wei", Role::GridMember, GRID, true);
    let teller = centre.person("teller", Role::Informant, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&user).await, centre.enrol(&user).await);
    let mut informant = centre.enrol(&teller).await;
    check("EnrolAnswer", &serde_json::to_value(&alice.enrolled).unwrap());
    let report = informant.event("井盖缺失", GRID);
    informant.sync(vec![report]).await;
    bob.catch_up().await;

    let create = alice.resident("张伟", GRID);
    let record = create.record;
    let bad = alice.change(record, &[("birth_date", Value::text("1990-02-31"))]);
    let mut request = alice.request(vec![create, bad]);
    request.device = Some(DeviceState {
        app: "0.1.0".into(),
        battery: Some(80),
        clock: chrono::DateTime::UNIX_EPOCH,
        undelivered: 2,
        web_view: Some("80.0.3987.99".into()),
    });
    request.setup = None;
    let sent = serde_json::to_value(&request).unwrap();
    check("SyncRequest", &sent);
    let response = alice.raw(sent.to_string().into_bytes(), &[]).await;
    check("SyncAnswer", &response.json().await.unwrap());
    let response = bob.raw(serde_json::to_vec(&bob.request(vec![])).unwrap(), &[]).await;
    let page: Json = response.json().await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    check("SyncAnswer", &page);
    let path = format!("/api/v1/records/{record}/history").leak();
    let history: Json = get(path, Some(bob.token.clone())).await.json().await.unwrap();
    check("HistoryEntry", &history[0]);
    let error: Json = get("/api/v1/photos/7", Some(bob.token.clone())).await.json().await.unwrap();
    check("Error", &error);

    // What the town has published.
    let own = Edition {
        name: sync_server::in_force::CALENDAR.to_owned(),
        version: 1,
        text: assets::CALENDAR.to_owned(),
        at: centre.app.outside.now(),
        user: user.id,
    };
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.put_edition(&own)).unwrap();
    let told = bob.sync(vec![]).await;
    check("SyncAnswer", &serde_json::to_value(&told).unwrap());
    assert!(told.setup.is_some_and(|setup| setup.edition.is_some()));
    check("Edition", &get("/api/v1/edition", Some(bob.token.clone())).await.json().await.unwrap());

    // Doubt: a question about the slot, sums, parts asked for again, what is shown of lost edits.
    let waits = bob.change(record, &[("phone", Value::text("13912345678"))]);
    let question = bob.question(true, &[waits]);
    check("SlotRequest", &serde_json::to_value(&question).unwrap());
    check("SlotAnswer", &bob.try_ask(&question).await.json().await.unwrap());
    let lost = bob.change(record, &[("phone", Value::text("13912345678"))]);
    let mut doubts = bob.request(vec![]);
    doubts.digest = Some(DigestAsk { version: VERSION, branches: vec![(Part::Open, Prefix::default())] });
    doubts.again = vec![(record, Part::Restricted)];
    doubts.withdrawn = vec![lost.id];
    doubts.remains = vec![Remain {
        edit: lost.id,
        record,
        kind: lost.kind,
        part: lost.part,
        path: "phone".parse().unwrap(),
        value: Value::text("13912345678"),
        at: lost.at,
        author: bob.author.clone(),
    }];
    let sent = serde_json::to_value(&doubts).unwrap();
    check("SyncRequest", &sent);
    let told: Json = bob.raw(sent.to_string().into_bytes(), &[]).await.json().await.unwrap();
    assert!(told["digest"]["branches"][0]["leaves"].is_array());
    assert!(told["items"].as_array().unwrap().iter().any(|item| item["state"].is_null()), "there is no such part");
    check("SyncAnswer", &told);

    // What is wrong is seen by this test at all.
    let wrong = json!({ "high_water": "1", "epoch": 1, "cursor": "", "time": 1 });
    let schema = json!({ "$ref": "#/components/schemas/SyncAnswer" });
    assert!(fit(&document, &schema, &wrong, "").is_err());

    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", &record.to_string()).replace("{hash}", &"0".repeat(64));
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = centre.send(method.clone(), &path, None, vec![], &[]).await;
            assert!(!matches!(response.status().as_u16(), 405), "{method} {path}: {}", response.status());
        }
    }
}
