//! The tables of `docs/permissions.md`, every cell of them tried over HTTP by every door. The doc is the one source: what
//! it says is what is expected here.
mod doc;
mod town;

use std::collections::BTreeMap;

use crate::common::*;
use doc::{Act, Page, Table};
use reqwest::StatusCode;
use shared::author::Role;
use shared::record::{Part, RecordKind};
use town::{Cell, Person, Tried, Where};

/// What was tried, and what was otherwise than the table says.
#[derive(Default)]
struct Sheet {
    tried: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Sheet {
    fn add(&mut self, door: &'static str, what: &str, open: bool, expected: bool) {
        *self.tried.entry(door).or_default() += 1;
        if open != expected {
            let is = if open { "OPEN and should be closed" } else { "CLOSED and should be open" };
            self.wrong.push(format!("{door}: {what} is {is}"));
        }
    }

    fn add_all(&mut self, table: &Table, who: &Person, tried: Vec<Tried>) {
        for Tried { door, cell: Cell { action, at, kind }, open } in tried {
            let expected = table.allows(action, at, who.user.role, who.cleared, kind);
            let what = format!("{action} {kind:?} {at:?} by {}", who.user.login);
            self.add(door, &what, open, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_tables_is_as_open_as_the_tables_say() {
    let table = Table::records();
    let centre = Centre::open().await;
    let mut people = town::people(&centre).await;
    let mut records = town::records(&centre, &people).await;
    for person in &mut people {
        person.feed.catch_up().await;
    }
    records.move_away(&centre).await;
    let mut sheet = Sheet::default();
    for person in &mut people {
        let tried = town::read(person, &records).await;
        sheet.add_all(&table, person, tried);
    }
    for person in &mut people {
        let tried = town::take_out(person).await;
        sheet.add_all(&table, person, tried);
    }
    for person in &mut people {
        let tried = town::push(person, &records).await;
        sheet.add_all(&table, person, tried);
    }
    let admin = town::importer(&centre).await;
    for person in &mut people {
        let tried = town::import(&admin, person, &records).await;
        sheet.add_all(&table, person, tried);
    }
    for Page { path, role, open: expected } in Page::all() {
        for person in people.iter().filter(|person| person.user.role == role) {
            let status = person.desk.get(&path).await.status();
            assert!(matches!(status, StatusCode::OK | StatusCode::FORBIDDEN), "{path}: {status}");
            sheet.add("page", &format!("{path} for {}", person.user.login), status == StatusCode::OK, expected);
        }
    }
    // Their clearance goes, then they themselves.
    for (at, cleared, active) in [(Where::Withdrawn, false, true), (Where::Ended, true, false)] {
        for person in &mut people {
            town::change_user(&centre, person, cleared, active);
            let tried = town::read_own(person, &records, at).await;
            sheet.add_all(&table, person, tried);
        }
    }
    let cells: usize = sheet.tried.values().sum();
    println!("{cells} cells tried: {:?}", sheet.tried);
    assert!(sheet.wrong.is_empty(), "{} of {cells} cells:\n{}", sheet.wrong.len(), sheet.wrong.join("\n"));
    // Every row of the doc was tried: none is mere decoration.
    let untried = table.untried();
    assert!(untried.is_empty(), "no door tried {untried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_console_does_it_for_whom_the_table_says() {
    let centre = Centre::open().await;
    let people = town::people(&centre).await;
    let records = town::records(&centre, &people).await;
    let targets = town::Targets::of(&centre, &records);
    let mut sheet = Sheet::default();
    for act in Act::all() {
        let path = targets.path(&act.path, &act.at);
        for person in &people {
            let what = format!("{} {} by {}", act.path, act.at, person.user.login);
            let open = town::act(person, &path).await;
            sheet.add("form", &what, open, act.open(person.user.role, person.cleared));
        }
    }
    println!("cells tried: {:?}", sheet.tried);
    assert!(sheet.wrong.is_empty(), "{}:\n{}", sheet.wrong.len(), sheet.wrong.join("\n"));
}

#[test]
fn the_tables_name_every_role_and_the_words_mean_what_they_say() {
    let table = Table::records();
    let read = |role, cleared, kind| table.allows("read", Where::Own, role, cleared, kind);
    assert!(read(Role::PatrolMember, false, RecordKind::Place) && !read(Role::PatrolMember, true, RecordKind::Person));
    let restricted =
        |cleared| table.allows("read-restricted", Where::Own, Role::GridMember, cleared, RecordKind::Person);
    assert!(restricted(true) && !restricted(false));
    assert_eq!(Page::all().len() % Role::ALL.len(), 0);
    assert_ne!(Part::Open, Part::Restricted);
}
