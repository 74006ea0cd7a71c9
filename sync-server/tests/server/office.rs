//! A batch opened by LibreOffice (`make test-office`): what a clerk sees who opens it.

use std::path::Path;
use std::process::Command;

use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use sync_server::batch::{Format, Pull, Since};

use crate::common::batches::*;
use crate::common::*;

/// Comma, quotes around every text and nothing else, UTF-8, cells as they are shown, every sheet a file.
const AS_SHOWN: &str = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,true,false,false,false,-1";

/// Opens a file in an office of its own, and gives what its sheets show by the names of the files they become.
fn shown(file: &Path, to: &Path) -> Vec<(String, String)> {
    let home = tempfile::tempdir().unwrap();
    let installation = format!("-env:UserInstallation=file://{}", home.path().display());
    let args = [&installation, "--headless", "--convert-to", AS_SHOWN, "--outdir"];
    let done = Command::new("soffice").args(args).arg(to).arg(file).output().expect("LibreOffice: make test-office");
    assert!(done.status.success(), "{done:?}");
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().unwrap();
    let all = std::fs::read_dir(to).unwrap().map(Result::unwrap);
    let mut sheets: Vec<_> = all.map(|entry| (name(&entry), std::fs::read_to_string(entry.path()).unwrap())).collect();
    sheets.sort();
    assert!(!sheets.is_empty(), "{done:?}");
    sheets
}

#[tokio::test]
#[ignore = "needs LibreOffice: make test-office"]
async fn an_office_shows_numbers_whole_dates_as_dates_and_runs_nothing() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", shared::author::Role::GridMember, GRID, false)).await;
    let numbers = [
        ("id_type", Value::text("resident_id")),
        ("id_number", Value::text("629999198001010019")),
        ("phone", Value::text("09435521234")),
    ];
    born(&mut hand, "张伟", &numbers).await;
    let born_on = [("id_type", Value::text("passport")), ("birth_date", Value::text("1990-05-04"))];
    born(&mut hand, "=cmd|'/c calc'!A1", &born_on).await;
    let shop = RecordId::fresh(&*centre.clock);
    let writes = [
        ("name", Value::text("条山杂货店")),
        ("type", Value::text("sole_trader")),
        ("area", Value::of(&GRID)),
        ("staff_count", Value::of(&12)),
    ];
    let shop = hand.edit(shop, RecordKind::Organization, Part::Open, &writes);
    applied(&hand.sync(vec![shop]).await, 0);
    let user = staff(&centre, "staff", true, false);
    let formats = vec![Format::Csv, Format::Xlsx];
    let all = Pull { since: Since::All, formats, ..pull_of(&user, true) };
    let taken = sealed(take(&centre, &all).unwrap());

    let to = tempfile::tempdir().unwrap();
    let sheets = shown(&taken.folder.join("batch.xlsx"), to.path());
    let names: Vec<&str> = sheets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["batch-人.csv", "batch-组织.csv"]);
    let people = &sheets[0].1;
    let header = people.lines().next().unwrap();
    assert!(header.starts_with("\"状态\",\"记录编号\",\"所属网格\",\"姓名\""), "{header}");
    // Quoted is text: eighteen digits to the last, and the zero in front of a telephone number.
    assert!(people.contains(",\"629999198001010019\",") && people.contains(",\"09435521234\","), "{people}");
    // Not quoted is a number or a date.
    assert!(people.contains(",1990-05-04,"), "{people}");
    assert!(people.contains(",\"=cmd|'/c calc'!A1\","), "a formula would show what came of it: {people}");
    assert!(sheets[1].1.contains(",12,"), "{}", sheets[1].1);

    let to = tempfile::tempdir().unwrap();
    let people = &shown(&taken.folder.join("person.csv"), to.path())[0].1;
    assert!(people.contains("=cmd|'/c calc'!A1\","), "a formula would show what came of it: {people}");
}
