//! A batch for maps, as somebody opens it who works with QGIS.

use serde_json::{Value as Json, json};
use shared::area::AreaId;
use shared::form::Position;
use shared::value::Value;
use sync_server::auth::people::import_areas;
use sync_server::batch::{Format, Pull, Sealed, Since};

use crate::common::batches::*;
use crate::common::*;

fn collection(sealed: &Sealed, name: &str) -> Vec<Json> {
    let whole: Json = serde_json::from_str(&text(sealed, name)).unwrap();
    assert_eq!(whole["type"], "FeatureCollection");
    let features = whole["features"].as_array().unwrap().clone();
    assert!(features.iter().all(|feature| feature["type"] == "Feature"), "{features:?}");
    features
}

#[tokio::test]
async fn what_has_a_place_is_on_the_map_with_the_fields_of_its_line() {
    let centre = Centre::open().await;
    let drawn = "id,parent,level,name,code,outline\n\
                 11,10,grid,条山社区第一网格,,\"POLYGON ((104.05 37.18, 104.05 37.2, 104.07 37.2, 104.07 37.18, 104.05 37.18))\"\n";
    import_areas(&centre.app, drawn.as_bytes()).unwrap();
    let mut hand = centre.enrol(&centre.person("member", shared::author::Role::GridMember, GRID, false)).await;
    let at = Position { lat: 37.191, lon: 104.061, accuracy: 8.0, at: 1_795_384_800_000 };
    let mut here = hand.event("井盖破损", GRID);
    here.writes.insert("position".parse().unwrap(), Value::of(&at));
    let mut there = hand.event("路灯不亮", GRID);
    there.writes.insert("position".parse().unwrap(), Value::of(&Position { lon: 104.062, ..at }));
    let nowhere = hand.event("没有位置", GRID);
    let answer = hand.sync(vec![here.clone(), there, nowhere]).await;
    for place in 0..3 {
        applied(&answer, place);
    }
    born(&mut hand, "张伟", &[("phone", Value::text("13912345678"))]).await;

    let user = staff(&centre, "staff", false, false);
    let formats = vec![Format::Ndjson, Format::GeoJson];
    let all = Pull { since: Since::All, formats, areas: vec![AreaId(10)], ..pull_of(&user, false) };
    let taken = sealed(take(&centre, &all).unwrap());
    let names: Vec<(&str, u64)> = taken.manifest.files.iter().map(|file| (file.name.as_str(), file.rows)).collect();
    // Nobody has a place of their own, so there is no file of people.
    let told = [("person.ndjson", 1), ("event.ndjson", 3), ("event.geojson", 2), ("areas.geojson", 1)];
    assert_eq!(names, told);

    let events = collection(&taken, "event.geojson");
    let titles: Vec<&str> = events.iter().filter_map(|event| event["properties"]["title"].as_str()).collect();
    assert_eq!(titles, ["井盖破损", "路灯不亮"]);
    assert_eq!(events[0]["geometry"], json!({ "type": "Point", "coordinates": [104.061, 37.191] }));
    assert_eq!(events[0]["id"], json!(here.record.to_string()));
    let line: Json = serde_json::from_str(text(&taken, "event.ndjson").lines().next().unwrap()).unwrap();
    let mut properties = events[0]["properties"].clone();
    for beside in ["_kind", "_status", "_areas"] {
        assert!(properties.as_object_mut().unwrap().remove(beside).is_some(), "{beside}");
    }
    assert_eq!(properties, line["fields"]);

    let areas = collection(&taken, "areas.geojson");
    assert_eq!(areas[0]["properties"]["name"], "条山社区第一网格");
    // Counter-clockwise and closed, whichever way it was drawn.
    let ring = [[104.05, 37.18], [104.07, 37.18], [104.07, 37.2], [104.05, 37.2]];
    let told = areas[0]["geometry"]["coordinates"][0].as_array().unwrap();
    assert_eq!((told.len(), &told[0]), (5, &told[4]));
    let signed: f64 = told
        .windows(2)
        .map(|pair| {
            let at = |pair: &Json, place: usize| pair[place].as_f64().unwrap();
            at(&pair[0], 0) * at(&pair[1], 1) - at(&pair[1], 0) * at(&pair[0], 1)
        })
        .sum();
    assert!(signed > 0.0 && ring.iter().all(|corner| told.contains(&json!(corner))), "{told:?}");

    // The same once more has the same bytes.
    let again = sealed(take(&centre, &all).unwrap());
    for name in ["event.geojson", "areas.geojson"] {
        assert!(text(&again, name) == text(&taken, name), "{name}");
    }
}
