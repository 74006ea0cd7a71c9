//! The form files, what validation makes of them, and that every word they lead to exists.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

mod history;

use std::collections::{BTreeMap, BTreeSet};

use assets::messages::{Lang, Messages};
use history::{at, author, path};
use proptest::prelude::*;
use serde_json::json;
use shared::author::Role;
use shared::edit::Edit;
use shared::form::{Field, FieldType, Form, Forms, MaskKind};
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::validate::{self, Problem, Severity};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::Policy;
use shared::workflow::{Level, Light, Stage, Step};
use uuid::Uuid;

fn forms() -> Forms {
    Forms::parse(assets::FORMS.iter().copied()).unwrap()
}

fn values(list: serde_json::Value) -> BTreeMap<Path, Value> {
    list.as_object().unwrap().iter().map(|(name, value)| (path(name), Value::of(value))).collect()
}

fn an_edit(kind: RecordKind, part: Part, writes: serde_json::Value) -> Edit {
    Edit {
        id: EditId(Uuid::from_u128(5)),
        record: RecordId(Uuid::from_u128(1)),
        kind,
        part,
        dot: Dot { slot: Slot(1), n: 1 },
        context: VectorTimestamp::new(),
        epoch: 1,
        at: at(0),
        zone: 480,
        author: author(1, Role::GridMember),
        form: 1,
        writes: values(writes),
    }
}

fn later(edit: Edit) -> Edit {
    Edit { context: [Dot { slot: Slot(1), n: 1 }].into_iter().collect(), dot: Dot { slot: Slot(1), n: 2 }, ..edit }
}

/// `path code`, in order, refused ones only.
fn refused(problems: &[Problem]) -> Vec<String> {
    let refused = problems.iter().filter(|problem| problem.severity == Severity::Refused);
    refused.map(|problem| format!("{} {}", problem.path, problem.code)).collect()
}

fn judged(edit: &Edit) -> Vec<String> {
    refused(&validate::edit(forms().get(edit.kind, edit.form).unwrap(), edit))
}

#[test]
fn the_five_kinds_have_a_form_and_every_record_an_area() {
    let forms = forms();
    for kind in RecordKind::ALL {
        let form = forms.newest(kind).unwrap();
        let area = form.field("area").unwrap();
        assert_eq!((area.kind, area.required, area.entry), (FieldType::Area, true, false));
        let merged = form.field("merged_into").unwrap();
        assert_eq!((merged.kind, merged.to, merged.entry), (FieldType::Link, Some(kind), false));
        assert!(form.field(&form.title).unwrap().required, "{kind:?} needs a name");
        for field in form.fields() {
            assert_eq!(field.choices.is_empty(), !is_choice(field), "{kind:?} {}", field.name);
            let codes: BTreeSet<&str> = field.choices.iter().map(|choice| choice.code.as_str()).collect();
            assert_eq!(codes.len(), field.choices.len(), "{kind:?} {}: a code twice", field.name);
            for label in field.help.iter().chain([&field.label]) {
                assert!(!label.zh.trim().is_empty() && !label.en.trim().is_empty(), "{kind:?} {}", field.name);
            }
            if let Some(when) = &field.when {
                let other = form.field(&when.field).unwrap();
                assert_eq!(other.part(), field.part(), "{}: one part does not speak of the other", field.name);
                let known = |code: &String| other.choices.iter().any(|choice| choice.code == *code);
                assert!(when.is.iter().all(known), "{}: a condition that never holds", field.name);
            }
            if let Some(start) = &field.start {
                assert!(codes.contains(start.as_str()), "{}: begins with an unknown choice", field.name);
            }
        }
    }
}

fn is_choice(field: &Field) -> bool {
    matches!(field.kind, FieldType::Choice | FieldType::Choices)
}

#[test]
fn what_is_sensitive_is_masked_or_restricted() {
    let forms = forms();
    let person = forms.newest(RecordKind::Person).unwrap();
    assert_eq!(person.field("id_number").unwrap().mask, Some(MaskKind::IdNumber));
    assert_eq!(person.field("phone").unwrap().mask, Some(MaskKind::Phone));
    assert_eq!(person.field("birth_date").unwrap().mask, Some(MaskKind::BirthDate));
    for field in RecordKind::ALL.iter().flat_map(|kind| forms.newest(*kind).unwrap().fields()) {
        assert_eq!(field.restricted, field.name.starts_with("care_"), "{}", field.name);
        // 不拍身份证、病历、儿童正脸; and what not to write stands where people write at length.
        if field.kind == FieldType::Photos {
            assert!(field.help.as_ref().unwrap().zh.contains("不拍身份证、病历、儿童正脸"));
        }
        if matches!(field.kind, FieldType::Phone | FieldType::IdNumber) {
            assert!(field.mask.is_some(), "{} is shown unmasked", field.name);
        }
    }
    // A person has no portrait.
    assert!(person.fields().all(|field| field.kind != FieldType::Photos));
}

#[test]
fn a_new_person_reports_every_problem_at_once() {
    let writes = json!({
        "id_type": "resident_id",
        "id_number": "110105194912310021",
        "phone": "1391234567",
        "residence_status": "unknown",
        "lives_at": "3 号楼",
        "birth_date": "1949-2-30",
        "care_note": "x",
        "note": "a\u{0}b",
        "photos/x": true,
        "of_version_2": {"kept": true},
    });
    let edit = an_edit(RecordKind::Person, Part::Open, writes);
    let problems = validate::edit(forms().get(RecordKind::Person, 1).unwrap(), &edit);
    assert_eq!(
        refused(&problems),
        [
            "birth_date problem-date",
            "care_note problem-part",
            "lives_at problem-link",
            "note problem-characters",
            "phone problem-phone-length",
            "residence_status problem-choice",
            "name problem-required",
            "area problem-required",
        ]
    );
    // 待核实, not refused; and said without the number.
    let doubtful: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Unverified).collect();
    assert_eq!((doubtful.len(), doubtful[0].path.as_str()), (1, "id_number"));
    assert_eq!(doubtful[0].code, "problem-number-check");
    assert!(!format!("{problems:?}").contains("1949"), "a problem never quotes the value");
}

#[test]
fn a_wrong_check_digit_saves() {
    let number = |number: &str| json!({"name": "周文博", "area": 31, "id_type": "resident_id", "id_number": number});
    for wrong in ["110105194912310021", "1101051949", "11010519490231002X", "身份证"] {
        let edit = an_edit(RecordKind::Person, Part::Open, number(wrong));
        assert_eq!(judged(&edit), [""; 0], "{wrong}");
        let problems = validate::edit(forms().get(RecordKind::Person, 1).unwrap(), &edit);
        assert_eq!(problems.len(), 1, "{wrong}");
    }
    // A passport is not measured by it.
    let mut passport = number("E12345678");
    passport["id_type"] = json!("passport");
    let edit = an_edit(RecordKind::Person, Part::Open, passport);
    assert_eq!(validate::edit(forms().get(RecordKind::Person, 1).unwrap(), &edit), []);
}

#[test]
fn a_change_needs_only_what_it_changes_and_clears_nothing_required() {
    let change = |writes| later(an_edit(RecordKind::Person, Part::Open, writes));
    assert_eq!(judged(&change(json!({"phone": "13912345678"}))), [""; 0]);
    assert_eq!(judged(&change(json!({"phone": null}))), [""; 0]);
    assert_eq!(judged(&change(json!({"name": null}))), ["name problem-required"]);
    assert_eq!(judged(&change(json!({"name": "  "}))), ["name problem-required"]);
    assert_eq!(judged(&change(json!({"name/x": "周文博"}))), ["name/x problem-path"]);
    // A delete is none of the form's business, not even of a record nobody else has written.
    assert_eq!(judged(&change(json!({"deleted": true}))), [""; 0]);
    assert_eq!(judged(&an_edit(RecordKind::Person, Part::Open, json!({"deleted": true}))), [""; 0]);
}

#[test]
fn the_restricted_part_asks_for_purpose_and_expiry() {
    let care = |writes| an_edit(RecordKind::Person, Part::Restricted, writes);
    assert_eq!(
        judged(&care(json!({"care_services/meals": true}))),
        ["care_reason problem-required", "care_until problem-required"]
    );
    let whole = json!({"care_services/meals": true, "care_reason": "独居", "care_until": "2027-06-30"});
    assert_eq!(judged(&care(whole)), [""; 0]);
    assert!(judged(&care(json!({"name": "周文博"}))).contains(&"name problem-part".to_owned()));
    // A draft asks nothing of a part nobody has begun.
    let forms = forms();
    let person = forms.newest(RecordKind::Person).unwrap();
    assert_eq!(validate::draft(person, Part::Restricted, &BTreeMap::new()), []);
    let begun = values(json!({"care_every_days": 400}));
    assert_eq!(
        refused(&validate::draft(person, Part::Restricted, &begun)),
        ["care_every_days problem-range", "care_reason problem-required", "care_until problem-required"]
    );
}

#[test]
fn every_type_knows_its_shape() {
    let id = "0192f000-0000-7000-8000-000000000001";
    let hash = "a".repeat(64);
    let photo = json!({"thumbnail": hash, "bytes": 1, "width": 1, "height": 1, "at": 0});
    let here = json!({"lat": 37.1, "lon": 104.0, "accuracy": 8.0, "at": 0});
    let step = json!({"step": "report"});
    let entry = Uuid::from_u128(5).to_string();
    let good = [
        ("event", json!({"happened_at": 1_795_422_300_000_i64, "position": here, "place": {"text": "3 号楼前"}})),
        ("event", json!({"place": {"id": id}, (format!("concerns/{id}")): true, (format!("photos/{hash}")): photo})),
        ("event", json!({(format!("concerns/{id}")): {"as": "owner"}, (format!("steps/{entry}")): step})),
        ("event", json!({(format!("remarks/{entry}")): "今天办完。\n明天再看。", (format!("photos/{hash}")): null})),
        ("place", json!({"safe_unit": true, "safety/gate": true, "safety/camera": null, "parent": id})),
        ("organization", json!({"staff_count": 12, "credit_code": "91350100M000100Y43", "last_checked": "2026-11-23"})),
    ];
    for (kind, writes) in good {
        let edit = later(an_edit(RecordKind::from_code(kind).unwrap(), Part::Open, writes.clone()));
        assert_eq!(judged(&edit), [""; 0], "{writes}");
    }
    let other = Uuid::from_u128(6).to_string();
    let bad = [
        ("event", json!({"happened_at": "今天"}), "happened_at problem-shape"),
        ("event", json!({"position": {"lat": 97.0, "lon": 0, "accuracy": 1, "at": 0}}), "position problem-position"),
        ("event", json!({"place": {"id": id, "text": "x"}}), "place problem-shape"),
        ("event", json!({"place": {"id": "x"}}), "place problem-link"),
        ("event", json!({"place": "x"}), "place problem-shape"),
        ("event", json!({"concerns/x": true}), "concerns/x problem-link"),
        ("event", json!({(format!("concerns/{id}")): false}), &format!("concerns/{id} problem-shape")),
        ("event", json!({(format!("photos/{hash}")): true}), &format!("photos/{hash} problem-photo")),
        ("event", json!({(format!("steps/{other}")): step}), &format!("steps/{other} problem-entry")),
        ("event", json!({(format!("steps/{entry}")): {"step": "fly"}}), &format!("steps/{entry} workflow-bad-entry")),
        ("event", json!({(format!("remarks/{entry}")): null}), &format!("remarks/{entry} problem-shape")),
        ("event", json!({"category": 3}), "category problem-choice"),
        ("event", json!({"title": "长".repeat(101)}), "title problem-too-long"),
        ("event", json!({"area": "青禾"}), "area problem-area"),
        ("place", json!({"safe_unit": "yes"}), "safe_unit problem-shape"),
        ("place", json!({"safety": "gate"}), "safety problem-path"),
        ("place", json!({"safety/moat": true}), "safety/moat problem-choice"),
        ("organization", json!({"staff_count": "12"}), "staff_count problem-number"),
        ("organization", json!({"staff_count": -1}), "staff_count problem-range"),
    ];
    for (kind, writes, problem) in bad {
        let edit = later(an_edit(RecordKind::from_code(kind).unwrap(), Part::Open, writes.clone()));
        assert_eq!(judged(&edit), [problem], "{writes}");
    }
    // A length is counted in characters.
    let title = later(an_edit(RecordKind::Event, Part::Open, json!({"title": "长".repeat(100)})));
    assert_eq!(judged(&title), [""; 0]);
}

#[test]
fn a_hidden_field_is_not_asked_for() {
    let text = r#"
        kind = "event"
        version = 1
        title = "title"
        label = { zh = "事", en = "Event" }
        [[section]]
        label = { zh = "一", en = "One" }
        field = [
          { name = "title", label = { zh = "标题", en = "Title" }, type = "text", required = true },
          { name = "found", label = { zh = "发现", en = "Found" }, type = "yes_no" },
          { name = "what", label = { zh = "什么", en = "What" }, type = "text", required = true, when = { field = "found", is = ["true"] } },
        ]
    "#;
    let form = Form::parse(text).unwrap();
    let draft = |list| refused(&validate::draft(&form, Part::Open, &values(list)));
    assert_eq!(draft(json!({"title": "x"})), [""; 0]);
    assert_eq!(draft(json!({"title": "x", "found": false})), [""; 0]);
    assert_eq!(draft(json!({"title": "x", "found": true})), ["what problem-required"]);
    assert_eq!(draft(json!({"found": true, "what": "y"})), ["title problem-required"]);
}

#[test]
fn a_form_that_does_not_hold_together_is_refused() {
    let person = assets::FORMS.iter().copied().find(|form| form.starts_with("kind = \"person\"")).unwrap();
    assert!(Form::parse(&person.replace("name = \"phone\"", "name = \"name\"")).is_err());
    assert!(Form::parse(&person.replace("title = \"name\"", "title = \"nobody\"")).is_err());
    assert!(Form::parse(&person.replace("required = true", "requierd = true")).is_err());
    assert!(Form::parse("kind = \"spaceship\"").is_err());
}

#[test]
fn a_later_version_may_add_and_relabel_but_not_change_what_a_field_holds() {
    let person = assets::FORMS.iter().copied().find(|form| form.starts_with("kind = \"person\"")).unwrap();
    let second = person.replace("version = 1", "version = 2");
    let both = |second: &str| Forms::parse([person, second]);
    assert_eq!(both(&second).unwrap().newest(RecordKind::Person).unwrap().version, 2);
    assert!(both(&second.replace("现住址", "住址")).is_ok());
    assert!(both(&second.replace("type = \"phone\"", "type = \"text\"")).is_err());
    assert!(both(&second.replace("name = \"care_note\"", "name = \"note_2\"")).is_ok());
    assert!(both(&second.replace("type = \"phone\"\n", "type = \"phone\"\npolicy = \"latest\"\n")).is_err());
    assert!(both(&second.replacen("restricted = true\n", "", 1)).is_err());
    assert!(both(person).is_err(), "one version twice");
}

/// Every key that the code of the rules can give has a message in both languages.
#[test]
fn every_key_has_its_words() {
    let sources =
        [include_str!("../src/validate.rs"), include_str!("../src/check.rs"), include_str!("../src/workflow/judge.rs")];
    let mut keys: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.split('"'))
        .filter(|text| text.starts_with("problem-") || text.starts_with("workflow-"))
        .map(str::to_owned)
        .collect();
    assert!(keys.len() > 40, "the keys were not found in the sources");
    keys.extend(Role::ALL.map(|role| format!("role-{}", role.code())));
    keys.extend(RecordKind::ALL.map(|kind| format!("kind-{}", kind.code())));
    keys.extend(Part::ALL.map(|part| format!("part-{}", part.code())));
    keys.extend(Step::ALL.iter().map(|step| format!("step-{}", step.code())));
    keys.extend(Stage::ALL.iter().map(|stage| format!("stage-{}", stage.code())));
    keys.extend(Level::ALL.iter().map(|level| format!("level-{}", level.code())));
    keys.extend(Light::ALL.iter().map(|light| format!("light-{}", light.code())));
    for lang in [Lang::Zh, Lang::En] {
        let messages = Messages::of(lang);
        let missing: Vec<&String> = keys.iter().filter(|key| !messages.has(key)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", lang.tag());
    }
    // Codes are those that travel.
    for step in Step::ALL {
        assert_eq!(serde_json::to_value(step).unwrap(), json!(step.code()));
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(|it| json!(it)),
        any::<i64>().prop_map(|it| json!(it)),
        any::<f64>().prop_map(|it| json!(it)),
        any::<String>().prop_map(|it| json!(it)),
        "[0-9Xx ]{0,20}".prop_map(|it| json!(it)),
        "[0-9A-Z]{18}".prop_map(|it| json!(it)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|it| json!(it)),
            prop::collection::btree_map("id|text|lat|step|[a-z]{1,3}", inner, 0..3).prop_map(|it| json!(it)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever stands in whatever field: validated, masked and shown without a panic; and a mask hides.
    #[test]
    fn any_value_in_any_field_is_taken_calmly(value in any_json(), element in "[a-z0-9/ 中]{0,5}", by_element in any::<bool>()) {
        let forms = forms();
        let value = Value::of(&value);
        let today = shared::mask::parse_date("2026-11-23").unwrap();
        for kind in RecordKind::ALL {
            for field in forms.newest(kind).unwrap().fields() {
                let name = if by_element { format!("{}/{element}", field.name) } else { field.name.clone() };
                let Ok(path) = name.parse::<Path>() else { continue };
                let mut edit = an_edit(kind, field.part(), json!({}));
                edit.writes.insert(path, value.clone());
                for problem in validate::edit(forms.newest(kind).unwrap(), &edit) {
                    prop_assert!(!problem.code.is_empty());
                }
                let shown = shared::mask::shown(field, &value, "zh-CN", today, &|key| key.to_owned());
                if matches!(field.mask, Some(MaskKind::IdNumber | MaskKind::Phone)) {
                    let text = value.as_text().unwrap_or_default();
                    prop_assert!(shown.chars().filter(|c| *c != '*').count() <= 7 && (text.len() < 4 || shown != text || text.contains('*')));
                }
                if field.policy() == Policy::One {
                    shared::mask::display(field, &value, "en", &|key| key.to_owned());
                }
            }
        }
    }
}
