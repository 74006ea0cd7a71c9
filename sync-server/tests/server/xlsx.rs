//! A batch as a workbook, as somebody opens it who works with Excel or WPS.

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use chrono::TimeDelta;
use shared::author::Role;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use sync_server::batch::{Format, Pull, Sealed, Since};

use crate::common::batches::*;
use crate::common::desk::{self, Desk};
use crate::common::*;

type Book = Xlsx<std::io::BufReader<std::fs::File>>;

fn opened(sealed: &Sealed) -> Book {
    open_workbook(sealed.folder.join("batch.xlsx")).unwrap()
}

/// The cells of a column below its header.
fn column(book: &mut Book, sheet: &str, header: &str) -> Vec<Data> {
    let range = book.worksheet_range(sheet).unwrap();
    let mut rows = range.rows();
    let names = rows.next().unwrap();
    let place = names.iter().position(|name| name == header).unwrap_or_else(|| panic!("no {header} in {names:?}"));
    rows.map(|row| row[place].clone()).collect()
}

fn text(text: &str) -> Data {
    Data::String(text.to_owned())
}

/// A resident with numbers, one named like a formula, a shop and a report.
async fn some_of_each(hand: &mut Handheld<'_>) {
    let wei = [
        ("id_type", Value::text("resident_id")),
        ("id_number", Value::text("629999198001010019")),
        ("phone", Value::text("13912345678")),
    ];
    born(hand, "张伟", &wei).await;
    let other = [
        ("id_type", Value::text("passport")),
        ("birth_date", Value::text("1990-05-04")),
        ("phone", Value::text("09435521234")),
        ("note", Value::text("+1+1")),
    ];
    born(hand, "=cmd|'/c calc'!A1", &other).await;
    let shop = RecordId::fresh(&*hand.centre.clock);
    let writes = [
        ("name", Value::text("条山杂货店")),
        ("type", Value::text("sole_trader")),
        ("area", Value::of(&GRID)),
        ("staff_count", Value::of(&12)),
        ("last_checked", Value::text("2026-11-20")),
    ];
    let shop = hand.edit(shop, RecordKind::Organization, Part::Open, &writes);
    let mut report = hand.event("井盖破损", GRID);
    report.writes.insert("happened_at".parse().unwrap(), Value::of(&1_795_384_800_000_i64));
    let answer = hand.sync(vec![shop, report]).await;
    applied(&answer, 0);
    applied(&answer, 1);
}

#[tokio::test]
async fn every_cell_of_a_workbook_is_what_it_is() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    some_of_each(&mut hand).await;
    let user = staff(&centre, "staff", true, false);
    let both = Pull { formats: vec![Format::Csv, Format::Xlsx], ..pull_of(&user, true) };
    let taken = sealed(take(&centre, &both).unwrap());
    let entry = taken.manifest.files.iter().find(|file| file.name == "batch.xlsx").unwrap();
    assert_eq!((entry.kind.as_str(), entry.format.as_str(), entry.rows), ("workbook", "xlsx", 4));

    let mut book = opened(&taken);
    assert_eq!(book.sheet_names(), ["人", "事", "组织"]);
    assert_eq!(column(&mut book, "人", "证件号码"), [text("629999198001010019"), Data::Empty]);
    assert_eq!(column(&mut book, "人", "联系电话"), [text("13912345678"), text("09435521234")]);
    // Text that looks like a formula is text, without anything before it: nothing runs text.
    assert_eq!(column(&mut book, "人", "姓名"), [text("张伟"), text("=cmd|'/c calc'!A1")]);
    assert!(book.worksheet_formula("人").unwrap().is_empty());
    // Dates as a spreadsheet counts them, and shown as dates.
    let days = |data: &Data| match data {
        Data::DateTime(date) => date.as_f64(),
        other => panic!("{other:?}"),
    };
    assert_eq!(days(&column(&mut book, "人", "出生日期")[1]), 32_997.0, "1990-05-04");
    assert_eq!(days(&column(&mut book, "组织", "上次检查")[0]), 46_346.0, "2026-11-20");
    assert_eq!(days(&column(&mut book, "事", "时间")[0]), 46_349.25, "2026-11-23 06:00");
    assert_eq!(column(&mut book, "组织", "从业人数"), [Data::Float(12.0)]);

    // The rows and columns are those of the CSV.
    for (sheet, name) in [("人", "person.csv"), ("事", "event.csv"), ("组织", "organization.csv")] {
        for (place, row) in rows(&taken, name).into_iter().enumerate() {
            for (header, told) in row {
                let cell = &column(&mut book, sheet, &header)[place];
                if let Data::String(cell) = cell {
                    let told = told.strip_suffix('\t').unwrap_or(&told);
                    assert_eq!(told.strip_prefix('\'').unwrap_or(told), cell, "{sheet} {header}");
                } else {
                    assert_eq!(told.is_empty(), *cell == Data::Empty, "{sheet} {header}: {told:?} and {cell:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_workbook_has_the_masks_and_the_same_bytes_whenever_it_is_made() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    some_of_each(&mut hand).await;
    let user = staff(&centre, "staff", false, false);
    let all = Pull { since: Since::All, formats: vec![Format::Xlsx], ..pull_of(&user, false) };
    let first = sealed(take(&centre, &all).unwrap());
    let mut book = opened(&first);
    assert_eq!(column(&mut book, "人", "证件号码"), [text("6***************19"), Data::Empty]);
    assert_eq!(column(&mut book, "人", "联系电话"), [text("139****5678"), text("*******1234")]);
    assert_eq!(column(&mut book, "人", "出生日期")[1], Data::Float(36.0), "an age, under its mask");

    centre.clock.advance(TimeDelta::hours(1));
    let second = sealed(take(&centre, &all).unwrap());
    let bytes = |sealed: &Sealed| std::fs::read(sealed.folder.join("batch.xlsx")).unwrap();
    assert!(bytes(&first) == bytes(&second), "made an hour later it is another file");
    // Nothing else lies in the folder: rows went to files without a name.
    let names = |sealed: &Sealed| std::fs::read_dir(&sealed.folder).unwrap().count();
    assert_eq!((names(&first), names(&second)), (1, 1));

    let english = Pull { lang: assets::messages::Lang::En, ..all };
    let mut book = opened(&sealed(take(&centre, &english).unwrap()));
    assert_eq!(book.sheet_names(), ["Person", "Event", "Organisation"]);
    assert_eq!(column(&mut book, "Person", "Name")[0], text("张伟"));
}

#[tokio::test]
async fn a_clerk_takes_a_workbook_at_the_console_and_at_the_command_line() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    some_of_each(&mut hand).await;
    desk::person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page("/console/batches").await;
    let page = desk.submit(&page, "/console/batches", &[("format", "xlsx")]).await;
    assert!(page.contains("batch.xlsx") && page.contains("工作簿"), "{page}");
    let download = desk.get("/console/batches/2026-001/batch.xlsx").await;
    assert!(tus::named(&download, "content-disposition").contains("2026-001-batch.xlsx"));
    let bytes = download.bytes().await.unwrap();

    let out = tempfile::tempdir().unwrap();
    let (data, to) = (centre.folder.path().to_str().unwrap(), out.path().to_str().unwrap());
    let again = ["batch", "pull", "2026-001", "--data", data, "--user", "staff", "--out", to];
    assert!(audit::run(&again).0);
    assert!(std::fs::read(out.path().join("2026-001/batch.xlsx")).unwrap() == bytes);
    let pull = ["batch", "pull", "--data", data, "--user", "staff", "--since", "all", "--format", "xlsx", "--out", to];
    let (well, said) = audit::run(&pull);
    assert!(well && said.contains("4  batch.xlsx"), "{said}");
    let mut book: Book = open_workbook(out.path().join("2026-002/batch.xlsx")).unwrap();
    assert_eq!(column(&mut book, "Person", "Name")[0], text("张伟"));
}
