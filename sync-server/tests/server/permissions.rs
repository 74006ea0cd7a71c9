//! The tables of `docs/permissions.md`, every cell of them tried over HTTP by every door. The doc is the one source: what
//! it says is what is expected here.
mod doc;
mod records;
mod town;
mod waiting;

use std::collections::BTreeMap;

use crate::common::*;
use doc::{Act, Page, Rights, Table};
use reqwest::StatusCode;
use shared::author::Role;
use shared::record::{Part, RecordKind};
use town::{Cell, Person, Tried, Where};
use waiting::Waiting;

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
            let expected = table.allows(action, at, who.user.role, who.rights(), kind);
            let what = format!("{action} {kind:?} {at:?} by {}", who.user.login);
            self.add(door, &what, open, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_tables_is_as_open_as_the_tables_say() {
    let table = Table::records();
    let centre = Centre::open().await;
    // Who sees care and no number in full, and the reverse, beside who sees neither.
    let mut people = town::people(&centre, town::SCOPE, &[(false, false), (true, false), (false, true)]).await;
    let mut records = records::records(&centre, &people).await;
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
    const ALL: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];
    let centre = Centre::open().await;
    let people = town::people(&centre, town::SCOPE, &ALL).await;
    let of_the_whole_town = town::people(&centre, TOWN, &ALL).await;
    let records = records::records(&centre, &people).await;
    let targets = town::Targets::of(&centre, &records);
    let mut waiting = Waiting::at(&centre).await;
    let mut sheet = Sheet::default();
    for act in Act::all() {
        let whole = act.at == "whole";
        let at = if whole { Where::Own.code() } else { act.at.as_str() };
        for person in if whole { &of_the_whole_town } else { &people } {
            let what = format!("{} {} by {}", act.path, act.at, person.user.login);
            let (door, open) = if waiting::is_on_what_waits(&act.path) {
                let (path, fields) = waiting.path(&act.path, at, &records, person).await;
                ("form on what waits", town::done(person, &path, &fields).await)
            } else {
                ("form", town::act(person, &targets.path(&act.path, at)).await)
            };
            sheet.add(door, &what, open, act.open(person.user.role, person.rights()));
        }
    }
    println!("cells tried: {:?}", sheet.tried);
    assert!(sheet.wrong.is_empty(), "{}:\n{}", sheet.wrong.len(), sheet.wrong.join("\n"));
}

#[test]
fn the_tables_name_every_role_and_the_words_mean_what_they_say() {
    let table = Table::records();
    let rights = |cleared, may_unmask| Rights { cleared, may_unmask };
    let read = |role, cleared, kind| table.allows("read", Where::Own, role, rights(cleared, false), kind);
    assert!(read(Role::PatrolMember, false, RecordKind::Place) && !read(Role::PatrolMember, true, RecordKind::Person));
    let staff = |action, cleared, may_unmask| {
        table.allows(action, Where::Own, Role::CenterStaff, rights(cleared, may_unmask), RecordKind::Person)
    };
    assert!(staff("read-restricted", true, false) && !staff("read-restricted", false, true));
    assert!(staff("take-out-unmasked", false, true) && !staff("take-out-unmasked", true, false));
    let file = Act::all().into_iter().find(|act| act.path.ends_with("/take") && act.at == "whole").unwrap();
    let may = |cleared, may_unmask| file.open(Role::CenterStaff, rights(cleared, may_unmask));
    assert!(may(true, true) && !may(true, false) && !may(false, true) && !may(false, false));
    assert_eq!(Page::all().len() % Role::ALL.len(), 0);
    assert_ne!(Part::Open, Part::Restricted);
}
