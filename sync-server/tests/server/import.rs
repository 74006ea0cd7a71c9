//! Tables brought in, as the centre gets them: from Excel, from WPS, from whoever typed them.

use crate::common::*;
use shared::area::AreaId;
use shared::author::Role;
use shared::record::RecordKind;
use shared::view;
use sync_server::import::{BadBook, BadEncoding, BadRows, ImportError, Options, Report, import};
use sync_server::store::{self, PartFilter, StoreError, StoredPart};

fn options(area: Option<AreaId>) -> Options {
    Options {
        kind: RecordKind::Person,
        area,
        encoding: None,
        user: None,
        label: "residents.csv".to_owned(),
        dry_run: false,
    }
}

fn bring(centre: &Centre, bytes: &[u8], area: Option<AreaId>) -> Result<Report, ImportError> {
    import(&centre.app, &options(area), bytes)
}

fn people(centre: &Centre) -> Vec<StoredPart> {
    store::read(&*centre.app.store, TOWN, |read| {
        let mut parts = Vec::new();
        read.each_part(&PartFilter { kind: Some(RecordKind::Person), ..PartFilter::default() }, &mut |part| {
            parts.push(part);
            Ok(true)
        })?;
        Ok::<_, StoreError>(parts)
    })
    .unwrap()
}

fn value(part: &StoredPart, field: &str) -> String {
    let state: shared::merge::PartState = serde_json::from_str(&part.state).unwrap();
    view::one(&state, field).leading().map(|write| write.value.plain()).unwrap_or_default()
}

fn counts(report: &Report) -> [u64; 6] {
    [report.rows, report.new, report.changed, report.same, report.refused, report.doubtful]
}

/// 629999 was never assigned to anybody; the check digit is the right one.
fn number(serial: u32) -> String {
    let first = format!("62999919800101{:03}", serial % 1000);
    format!("{first}{}", shared::check::id_check_character(&first).unwrap())
}

#[tokio::test]
async fn the_same_table_in_utf8_with_and_without_mark_and_in_gb18030() {
    let text = format!(
        "姓名,证件号码,联系电话,所属网格,民族\r\n张伟,{},139 1234 5678,条山社区第一网格,x\r\n李娜,{},,12,\r\n",
        number(1),
        number(2)
    );
    let with_mark = format!("\u{FEFF}{text}").into_bytes();
    let gb = encoding_rs::GB18030.encode(&text).0.into_owned();
    for (bytes, name) in [(text.clone().into_bytes(), "UTF-8"), (with_mark, "UTF-8"), (gb, "GB 18030")] {
        let centre = Centre::open().await;
        let report = bring(&centre, &bytes, Some(TOWN)).unwrap();
        assert_eq!(report.encoding.name(), name);
        assert_eq!(counts(&report), [2, 2, 0, 0, 0, 0], "{:?}", report.notes);
        // A column the form does not have is said, never taken: ethnicity is not collected.
        assert_eq!(report.ignored, ["民族"]);
        let people = people(&centre);
        assert_eq!(people.iter().map(|part| part.title.as_str()).collect::<Vec<_>>(), ["张伟", "李娜"]);
        assert_eq!(value(&people[0], "phone"), "13912345678");
        assert_eq!(people[0].areas, [GRID]);
        assert_eq!(people[1].areas, [NEXT_GRID]);
        // Brought in again, it says the same.
        let again = bring(&centre, &bytes, Some(TOWN)).unwrap();
        assert_eq!(counts(&again), [2, 0, 0, 2, 0, 0], "{:?}", again.notes);
    }
}

#[tokio::test]
async fn every_row_has_its_outcome_and_every_refusal_its_line_column_and_reason() {
    let centre = Centre::open().await;
    let first = format!("姓名,证件号码,现住址,出生日期\n张伟,{},柳湾巷 9 号,\n王芳,,柳湾巷 10 号,\n", number(1));
    bring(&centre, first.as_bytes(), Some(GRID)).unwrap();
    let mut wrong = number(3);
    wrong.replace_range(17.., "0");
    let second = format!(
        "姓名,证件号码,现住址,居住状态,联系电话,所属网格\n\
         张伟,{one},柳湾巷 19 号,户籍常住,,\n\
         王芳,,柳湾巷 10 号,,13912345678,\n\
         赵六,{wrong},长渠街 1 号,,,\n\
         钱七,{two},长渠街 2 号,不知道,,\n\
         孙八,6.20423E+17,长渠街 3 号,,,\n\
         ,{two},长渠街 4 号,,,\n\
         周九,{one},长渠街 5 号,,,\n\
         吴十,,长渠街 6 号,,,寺滩一网格\n\
         郑一,,长渠街 7 号,,,没有的网格\n",
        one = number(1),
        two = number(2),
    );
    let wrong_digit = number(3).ends_with('0');
    let report = bring(&centre, second.as_bytes(), Some(GRID)).unwrap();
    let notes: Vec<(u64, Option<&str>, bool, &str)> =
        report.notes.iter().map(|note| (note.line, note.column.as_deref(), note.refused, note.key.as_str())).collect();
    assert!(!wrong_digit, "choose another serial");
    assert_eq!(
        notes,
        [
            (4, Some("证件号码"), false, "problem-number-check"),
            (5, Some("居住状态"), true, "import-not-a-choice"),
            (6, Some("证件号码"), true, "import-digits-lost"),
            (7, Some("姓名"), true, "problem-required"),
            (8, None, true, "import-twice-in-file"),
            (9, Some("所属网格"), true, "import-area-outside"),
            (10, Some("所属网格"), true, "import-area-unknown"),
        ]
    );
    assert_eq!(counts(&report), [9, 1, 2, 0, 6, 1]);
    let people = people(&centre);
    assert_eq!(people.len(), 3);
    let of = |name: &str| people.iter().find(|part| part.title == name).unwrap();
    assert_eq!(value(of("张伟"), "address"), "柳湾巷 19 号");
    // Known by name and address; the empty number did not clear anything.
    assert_eq!(value(of("王芳"), "phone"), "13912345678");
}

#[tokio::test]
async fn a_field_that_is_to_be_decided_is_left_to_people() {
    let centre = Centre::open().await;
    let alice = centre.person("alice", Role::GridMember, GRID, false);
    let bob = centre.person("bob", Role::GridMember, GRID, false);
    let (mut alice, mut bob) = (centre.enrol(&alice).await, centre.enrol(&bob).await);
    let born = alice.resident("张伟", GRID);
    let who = born.record;
    alice.sync(vec![born]).await;
    bob.catch_up().await;
    let edit = alice.change(who, &[("address", shared::value::Value::text("柳湾巷 9 号"))]);
    alice.sync(vec![edit]).await;
    bob.catch_up().await;
    let one = alice.change(who, &[("phone", shared::value::Value::text("13900000001"))]);
    let other = bob.change(who, &[("phone", shared::value::Value::text("13900000002"))]);
    alice.sync(vec![one]).await;
    bob.sync(vec![other]).await;

    let table = "姓名,现住址,联系电话,居住状态\n张伟,柳湾巷 9 号,13900000003,外出\n";
    let report = bring(&centre, table.as_bytes(), Some(GRID)).unwrap();
    assert_eq!(counts(&report), [1, 0, 1, 0, 0, 1]);
    assert_eq!(report.notes[0].key, "import-to-decide");
    let part = &people(&centre)[0];
    let state: shared::merge::PartState = serde_json::from_str(&part.state).unwrap();
    assert_eq!(view::open_fields(&state, ["phone", "residence_status"].into_iter()), ["phone"]);
    assert_eq!(value(part, "residence_status"), "away");
}

#[tokio::test]
async fn a_bad_file_is_refused_whole_in_words_and_nothing_is_kept() {
    let centre = Centre::open().await;
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain("姓名\n张伟\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let open_quote = format!("姓名,现住址\n张伟,\"柳湾巷\n{}", "李娜,x\n".repeat(20_000));
    type Expected = fn(&ImportError) -> bool;
    let cases: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("UTF-16", utf16, |e| matches!(e, ImportError::Encoding(BadEncoding::Utf16))),
        ("a workbook", b"PK\x03\x04....".to_vec(), |e| matches!(e, ImportError::Book(BadBook::Broken(_)))),
        ("neither", b"\xE5\xA7\x93\xFF,x\n".to_vec(), |e| matches!(e, ImportError::Encoding(BadEncoding::Neither))),
        ("empty", b"\xEF\xBB\xBF".to_vec(), |e| matches!(e, ImportError::Empty)),
        ("no known column", "甲,乙\n1,2\n".into(), |e| matches!(e, ImportError::UnknownHeader(_))),
        ("no name", "联系电话\n13912345678\n".into(), |e| matches!(e, ImportError::MissingColumn(c) if c == "姓名")),
        ("twice", "姓名,Name\n张伟,x\n".into(), |e| matches!(e, ImportError::ColumnTwice(_))),
        ("open quote", open_quote.into(), |e| matches!(e, ImportError::Rows(BadRows::Unclosed(2)))),
    ];
    for (what, bytes, expected) in cases {
        let error = bring(&centre, &bytes, Some(GRID)).unwrap_err();
        assert!(expected(&error), "{what}: {error}");
        for lang in [assets::messages::Lang::Zh, assets::messages::Lang::En] {
            let said = sync_server::import::sentence(&error, &assets::messages::Messages::of(lang));
            assert!(!said.contains("import-error"), "{what} has no words: {said}");
        }
    }
    let nowhere = bring(&centre, "姓名\n张伟\n".as_bytes(), None);
    assert!(matches!(nowhere, Err(ImportError::NoArea)), "{nowhere:?}");
    // A bad line after thousands of good ones undoes them all.
    let late = format!("姓名\n{}{}\n", "人\n", "x".repeat(70_000));
    assert!(matches!(bring(&centre, late.as_bytes(), Some(GRID)), Err(ImportError::Rows(BadRows::TooLong(3)))));
    assert_eq!(people(&centre).len(), 0);
}

#[tokio::test]
async fn two_hundred_columns_are_no_trouble() {
    let centre = Centre::open().await;
    let header: Vec<String> = (0..199).map(|n| format!("列{n}")).chain(["姓名".to_owned()]).collect();
    let row: Vec<String> = (0..199).map(|n| n.to_string()).chain(["张伟".to_owned()]).collect();
    let table = format!("{}\n{}\n", header.join(","), row.join(","));
    let report = bring(&centre, table.as_bytes(), Some(GRID)).unwrap();
    assert_eq!((report.new, report.ignored.len()), (1, 199));
}

#[tokio::test]
async fn a_person_brings_in_what_is_theirs_and_a_trial_keeps_nothing() {
    let centre = Centre::open().await;
    let leader = centre.person("leader", Role::GridLeader, AreaId(10), false);
    let table = "姓名,所属网格,关爱服务\n张伟,11,\n李娜,21,\n王芳,12,送餐\n";
    let mine = Options { user: Some(leader.clone()), ..options(None) };
    let trial = import(&centre.app, &Options { dry_run: true, ..mine.clone() }, table.as_bytes()).unwrap();
    assert_eq!(people(&centre).len(), 0);
    let report = import(&centre.app, &mine, table.as_bytes()).unwrap();
    assert_eq!(counts(&trial), counts(&report));
    let keys: Vec<&str> = report.notes.iter().map(|note| note.key.as_str()).collect();
    assert_eq!(keys, ["import-area-outside", "import-not-cleared"]);
    assert_eq!(people(&centre).len(), 1);
    let history = store::read(&*centre.app.store, TOWN, |read| read.edits_of(people(&centre)[0].record)).unwrap();
    assert_eq!(history[0].edit.author.user, Some(leader.id));
    assert_eq!(history[0].origin, "residents.csv");
}
