//! What goes to an upper platform: its columns, its codes, and nothing a second time.

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use shared::author::Role;
use shared::value::Value;
use sync_server::batch::{self, BatchError, Format, Pull, Pulled, Sealed};
use sync_server::store::User;

use crate::common::batches::*;
use crate::common::*;

fn by<'a>(user: &'a User, profile: &str, unmasked: bool) -> Pull<'a> {
    Pull { formats: vec![], profile: Some(profile.to_owned()), ..pull_of(user, unmasked) }
}

/// The rows of the residents' file, decoded as the platform does.
fn residents(sealed: &Sealed) -> Vec<Vec<String>> {
    let bytes = std::fs::read(sealed.folder.join("实有人口.csv")).unwrap();
    let (text, _, wrong) = encoding_rs::GB18030.decode(&bytes);
    assert!(!wrong && !text.starts_with('\u{FEFF}'), "{text}");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn residents_go_to_the_platform_once_and_again_when_they_change() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    let wei = [
        ("id_type", Value::text("resident_id")),
        ("id_number", Value::text("629999198001010019")),
        ("residence_status", Value::text("away")),
    ];
    let who = born(&mut hand, "张𠮷", &wei).await;
    let report = hand.event("井盖破损", GRID);
    applied(&hand.sync(vec![report]).await, 0);
    let (one, other) = (staff(&centre, "one", true, false), staff(&centre, "other", true, false));

    let first = sealed(take(&centre, &by(&one, "residents", true)).unwrap());
    let rows = residents(&first);
    assert_eq!(rows[0], ["CZBZ", "WBXTBH", "WGBM", "XM", "ZJLX", "ZJHM", "LXDH", "RKLB", "GXSJ"]);
    let told: Vec<&str> = [0, 3, 4, 5, 7].map(|place| rows[1][place].as_str()).to_vec();
    // All digits, and nothing behind them: a program reads it.
    assert_eq!(told, ["1", "张𠮷", "111", "629999198001010019", "04"]);
    assert_eq!(rows.len(), 2, "no events among the people");
    assert_eq!((first.manifest.profile.as_deref(), first.manifest.records()), (Some("residents"), 1));

    // Reported is reported, whoever asks next; the own batches of staff begin where they did.
    assert_eq!(take(&centre, &by(&other, "residents", true)).unwrap(), Pulled::NothingNew);
    assert_eq!(sealed(take(&centre, &pull_of(&one, false)).unwrap()).manifest.records(), 2);
    let edit = hand.change(who, &[("residence_status", Value::text("resident"))]);
    hand.sync(vec![edit]).await;
    born(&mut hand, "李娜", &[]).await;
    let rows = residents(&sealed(take(&centre, &by(&other, "residents", true)).unwrap()));
    let told: Vec<[&str; 3]> = rows[1..].iter().map(|row| [0, 3, 7].map(|place| row[place].as_str())).collect();
    assert_eq!(told, [["2", "张𠮷", "01"], ["1", "李娜", ""]]);

    // Without the right to numbers in full they stand under their masks here too.
    let plain = staff(&centre, "plain", false, false);
    assert!(matches!(take(&centre, &by(&plain, "residents", true)), Err(BatchError::MayNotUnmask)));
    let all = Pull { since: batch::Since::All, ..by(&plain, "residents", false) };
    assert_eq!(residents(&sealed(take(&centre, &all).unwrap()))[1][5], "6***************19");

    let events = sealed(take(&centre, &by(&one, "events", false)).unwrap());
    let mut book: Xlsx<_> = open_workbook(events.folder.join("网格事件.xlsx")).unwrap();
    let range = book.worksheet_range("事").unwrap();
    let text = |text: &str| Data::String(text.to_owned());
    let row: Vec<&Data> = range.rows().nth(1).unwrap().iter().collect();
    assert_eq!((row[0], row[4], row[5]), (&text("1"), &text("0302"), &text("井盖破损")));
}

#[tokio::test]
async fn a_code_the_platform_does_not_have_is_told_before_anything_is_written() {
    let centre = Centre::open().await;
    let mut hand = centre.enrol(&centre.person("member", Role::GridMember, GRID, false)).await;
    born(&mut hand, "张伟", &[("residence_status", Value::text("resident"))]).await;
    born(&mut hand, "李娜", &[("residence_status", Value::text("away"))]).await;
    let user = staff(&centre, "staff", false, false);
    let exports = centre.app.data.join("exports");
    std::fs::create_dir(&exports).unwrap();
    let ours = |codes: &str| {
        let text = format!(
            "kind = \"person\"\nlabel = {{ zh = \"县平台\", en = \"County\" }}\nfile = \"ours.csv\"\n\
             [[column]]\nheader = \"XM\"\nfrom = \"name\"\n[[column]]\nheader = \"RKLB\"\nfrom = \"residence_status\"\ncodes = {{ {codes} }}\n"
        );
        std::fs::write(exports.join("ours.toml"), text).unwrap();
    };
    ours("resident = \"1\"");
    match take(&centre, &by(&user, "ours", false)) {
        Err(BatchError::UnknownCodes(told)) => assert_eq!(told, "RKLB: away"),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_dir(centre.app.data.join("batches")).unwrap().count(), 0);
    ours("resident = \"1\", away = \"2\"");
    let taken = sealed(take(&centre, &by(&user, "ours", false)).unwrap());
    assert_eq!(taken.manifest.number, "2026-001", "the number was not used");
    assert_eq!(text(&taken, "ours.csv"), "\u{FEFF}XM,RKLB\r\n张伟,1\r\n李娜,2\r\n");

    // At the command line, with the words for who wrote the file.
    let out = tempfile::tempdir().unwrap();
    let (data, to) = (centre.folder.path().to_str().unwrap(), out.path().to_str().unwrap());
    let pull = |profile: &str| {
        let args =
            ["batch", "pull", "--data", data, "--user", "staff", "--since", "all", "--profile", profile, "--out", to];
        audit::run(&args)
    };
    let (well, said) = pull("ours");
    assert!(well && said.contains("2  ours.csv"), "{said}");
    ours("resdent = \"1\"");
    let (well, said) = pull("ours");
    assert!(!well && said.contains("the column RKLB: residence_status has no code resdent"), "{said}");
    let (well, said) = pull("../ours");
    assert!(!well && said.contains("there is no profile ../ours"), "{said}");
    assert_eq!(Format::Csv.code(), taken.manifest.files[0].format);
}
