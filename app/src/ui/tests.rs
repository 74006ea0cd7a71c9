//! Screens drawn without a window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assets::messages::Lang;
use dioxus::dioxus_core::NoOpMutations;
use dioxus::prelude::*;
use shared::area::{Area, AreaId, AreaLevel};
use shared::form::{Choice, Forms};
use shared::ids::{EditId, RecordId, UserId};
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::wire::Edition;
use uuid::Uuid;

use super::App;
use super::entry::{Values, problems};
use super::history::StartAt;
use super::pages::form::Kept;
use super::route::Route;
use super::words::Words;
use crate::handheld::{Door, Handheld};
use crate::platform::Services;
use crate::system::System;
use crate::testing::{PIN, Replay, Server, change, enrolled, resident, runtime};

fn forms() -> Forms {
    Forms::parse(assets::FORMS.iter().copied()).unwrap()
}

fn kept(kind: RecordKind, fresh: bool, base: Values, values: Values) -> Kept {
    let record = RecordId(Uuid::from_u128(7));
    let area = Some(AreaId(3));
    Kept {
        kind,
        record,
        fresh,
        form: 1,
        context: BTreeMap::new(),
        seen: None,
        base,
        values,
        area,
        last: None,
        track: false,
    }
}

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(path, text)| (path.parse().unwrap(), Value::text(text))).collect()
}

#[test]
fn a_handheld_that_nobody_uses_asks_for_server_and_code() {
    let folder = tempfile::tempdir().unwrap();
    let handheld = Handheld::open(folder.path(), Services::files(folder.path()), Arc::new(System)).unwrap();
    let mut dom = VirtualDom::new(App).with_root_context(handheld);
    dom.rebuild_in_place();
    let page = dioxus_ssr::render(&dom);
    assert!(page.contains("id=\"enrol-server\"") && page.contains("id=\"enrol-code\""), "{page}");
    assert!(!page.contains("app-enrol"), "a message is missing");
}

#[test]
fn saving_a_form_writes_only_what_was_changed_in_it() {
    let forms = forms();
    let form = forms.newest(RecordKind::Person).unwrap();
    let base = values(&[("name", "A"), ("phone", "13900005678"), ("address", "1")]);
    let mut now = base.clone();
    now.insert(Path::field("phone"), Value::text("13800000912"));
    now.insert(Path::field("address"), Value::null());
    let draft = kept(RecordKind::Person, false, base, now).draft(
        form,
        EditId(Uuid::from_u128(1)),
        &[],
        chrono::DateTime::UNIX_EPOCH,
    );
    let written: Vec<&str> = draft.writes.keys().map(Path::as_str).collect();
    assert_eq!(written, ["address", "phone"]);
}

#[test]
fn a_field_that_is_not_asked_for_any_more_is_not_written() {
    let forms = forms();
    let form = forms.newest(RecordKind::Person).unwrap();
    let typed = values(&[("name", "A"), ("id_type", "none"), ("id_number", "620423199001011234")]);
    let draft = kept(RecordKind::Person, true, Values::new(), typed).draft(
        form,
        EditId(Uuid::from_u128(1)),
        &[],
        chrono::DateTime::UNIX_EPOCH,
    );
    assert!(!draft.writes.contains_key(&Path::field("id_number")));
    assert_eq!(draft.writes.get(&Path::field("area")), Some(&Value::of(&3)));
}

#[test]
fn a_new_event_is_reported_by_the_save_that_makes_it() {
    let forms = forms();
    let form = forms.newest(RecordKind::Event).unwrap();
    let typed = values(&[("title", "A"), ("category", "hazard")]);
    let edit = EditId(Uuid::from_u128(1));
    let draft =
        kept(RecordKind::Event, true, Values::new(), typed).draft(form, edit, &[], chrono::DateTime::UNIX_EPOCH);
    assert!(draft.writes.contains_key(&Path::entry("steps", edit)));
}

#[test]
fn an_untouched_form_names_what_has_to_be_filled() {
    let forms = forms();
    let form = forms.newest(RecordKind::Person).unwrap();
    let found: Vec<String> =
        problems(form, &Values::new()).into_iter().map(|problem| problem.path.field_name().to_owned()).collect();
    // Not the grid, which the app writes; nothing of the restricted part, which asks only once it is used.
    assert_eq!(found, ["name"]);
}

#[test]
fn every_address_leads_back_to_its_page() {
    let id = RecordId(Uuid::from_u128(7));
    for route in [
        Route::Today {},
        Route::FillDraft { id: format!("person-{id}") },
        Route::EditRecord { id },
        Route::ShowRecord { id },
        Route::Review {},
    ] {
        assert_eq!(route.to_string().parse::<Route>().ok(), Some(route));
    }
}

/// A page of the handheld, as it is drawn first.
fn drawn(handheld: &Handheld, route: &Route) -> String {
    let start = StartAt { route: route.to_string(), ..StartAt::default() };
    let mut dom = VirtualDom::new(App).with_root_context(handheld.clone()).with_root_context(start);
    dom.rebuild_in_place();
    dioxus_ssr::render(&dom)
}

#[test]
fn a_choice_that_the_town_gave_up_is_offered_only_where_it_stands_and_its_own_choice_everywhere() {
    let (server, outside): (Arc<Server>, _) = (Arc::default(), Replay::new(41));
    let folder = tempfile::tempdir().unwrap();
    let alice = enrolled(folder.path(), &server, &outside);
    let away = resident(&alice, &[("name", "\"马存义\""), ("residence_status", "\"away\"")]);
    let fresh = Route::FillDraft { id: format!("person-{}", alice.new_record_id()) };
    let page = drawn(&alice, &fresh);
    assert!(page.contains("外出") && !page.contains("转场放牧"), "{page}");

    let mut form = (*alice.form(RecordKind::Person).unwrap()).clone();
    form.version = 1001;
    let mut fields = form.sections.iter_mut().flat_map(|section| &mut section.fields);
    let field = fields.find(|field| field.name == "residence_status").unwrap();
    field.choices.iter_mut().filter(|choice| choice.code == "away").for_each(|choice| choice.retired = true);
    let (code, zh, en) = ("own_herding".to_owned(), "转场放牧".to_owned(), "Herding".to_owned());
    field.choices.push(Choice { code, zh, en, retired: false });
    let edition = Edition { version: "e1".to_owned(), forms: vec![form.to_toml().unwrap()], calendar: None };
    alice.store().unwrap().take_edition(Some(&edition)).unwrap();
    let page = drawn(&alice, &fresh);
    assert!(page.contains("转场放牧") && !page.contains("外出"), "{page}");
    let page = drawn(&alice, &Route::EditRecord { id: away });
    assert!(page.contains("转场放牧") && page.contains("外出"), "{page}");
    assert!(drawn(&alice, &Route::ShowRecord { id: away }).contains("外出"));
}

#[test]
fn a_grid_that_was_given_up_is_nowhere_to_go_and_keeps_its_name() {
    let (server, outside): (Arc<Server>, _) = (Arc::default(), Replay::new(43));
    let grid = |id, name: &str| Area::new(AreaId(id), Some(AreaId(3)), AreaLevel::Grid, name, "");
    let closed = Area { closed: true, ..grid(33, "第三网格") };
    server.0.lock().unwrap().areas = vec![grid(32, "第二网格"), closed];
    let folder = tempfile::tempdir().unwrap();
    let alice = enrolled(folder.path(), &server, &outside);
    let person = resident(&alice, &[("name", "\"马存义\"")]);
    let fresh = Route::FillDraft { id: format!("person-{}", alice.new_record_id()) };
    for route in [fresh, Route::MoveOut { id: person }] {
        let page = drawn(&alice, &route);
        assert!(page.contains("第二网格") && !page.contains("第三网格"), "{route}: {page}");
    }
    assert!(drawn(&alice, &Route::Search {}).contains("第三网格"), "what lies there is still found by it");
}

/// A screen that goes on: what is read behind it arrives.
struct Screen(VirtualDom);

impl Screen {
    fn on(handheld: &Handheld, route: &Route) -> Self {
        let start = StartAt { route: route.to_string(), ..StartAt::default() };
        let mut dom = VirtualDom::new(App).with_root_context(handheld.clone()).with_root_context(start);
        dom.rebuild_in_place();
        Self(dom)
    }

    fn page(&self) -> String {
        dioxus_ssr::render(&self.0)
    }

    /// Everything that was shown until `text` was.
    async fn until(&mut self, text: &str) -> Vec<String> {
        let mut pages = vec![self.page()];
        while pages.last().is_some_and(|page| !page.contains(text)) {
            let work = tokio::time::timeout(Duration::from_secs(60), self.0.wait_for_work()).await;
            assert!(work.is_ok(), "{text} is never shown");
            self.0.render_immediate(&mut NoOpMutations);
            pages.push(self.page());
        }
        pages
    }
}

#[test]
fn a_list_that_is_being_read_says_nothing_and_after_a_save_it_shows_what_was_saved() {
    let (server, outside): (Arc<Server>, _) = (Arc::default(), Replay::new(47));
    let folder = tempfile::tempdir().unwrap();
    let alice = enrolled(folder.path(), &server, &outside);
    let person = resident(&alice, &[("name", "\"马存义\"")]);
    let nothing = Words::of(Lang::Zh).t("app-search-nothing");
    runtime().block_on(async {
        let mut screen = Screen::on(&alice, &Route::Search {});
        let first = screen.page();
        assert!(!first.contains("马存义") && first.contains("id=\"search\""), "it is read behind the screen: {first}");
        let shown = screen.until("马存义").await;
        alice.save(change(&alice, person, &[("name", "\"马存礼\"")]), None).unwrap();
        let later = screen.until("马存礼").await;
        assert!(shown.iter().chain(&later).all(|page| !page.contains(&nothing)), "nothing was found meanwhile");
        // A page drawn anew never shows what stood there before.
        let anew = Screen::on(&alice, &Route::Search {}).until("马存礼").await;
        assert!(anew.iter().all(|page| !page.contains("马存义") && !page.contains(&nothing)));
    });
}

#[test]
fn nothing_that_was_read_stays_for_who_comes_next() {
    let (server, outside): (Arc<Server>, _) = (Arc::default(), Replay::new(53));
    let folder = tempfile::tempdir().unwrap();
    let alice = enrolled(folder.path(), &server, &outside);
    resident(&alice, &[("name", "\"马存义\"")]);
    let bob = {
        let mut inside = server.0.lock().unwrap();
        inside.users.push(UserId(Uuid::from_u128(53)));
        inside.users.len() - 1
    };
    let nothing = Words::of(Lang::Zh).t("app-search-nothing");
    runtime().block_on(async {
        let mut screen = Screen::on(&alice, &Route::Search {});
        screen.until("马存义").await;
        alice.lock();
        let locked = screen.until("id=\"pin\"").await;
        assert!(!locked.last().unwrap().contains("马存义"));
        let Door::Locked(residents) = alice.door() else { panic!("it is locked") };
        alice.unlock(residents[0].user, PIN).unwrap();
        screen.until("马存义").await;
        // Somebody else comes in without a page in between.
        alice.enrol("https://example.test", &bob.to_string(), PIN).await.unwrap();
        let later = screen.until(&nothing).await;
        assert!(!later.last().unwrap().contains("马存义"), "what the one before had read");
    });
}
