//! Tables brought to the console: from the file to the undoing, as staff do it with a browser, over real HTTP.

mod large;

use std::collections::BTreeMap;

use calamine::{Data, Reader as _, Xlsx};
use chrono::TimeDelta;
use reqwest::header::{COOKIE, LOCATION};
use reqwest::{Response, StatusCode};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};
use shared::area::AreaId;
use shared::author::Role;
use shared::record::RecordKind;
use shared::value::Value;
use shared::view;
use sync_server::import::job::{self, Import, State};
use sync_server::store::{self, PartFilter, StoreError, StoredPart};
use uuid::Uuid;

use crate::common::desk::*;
use crate::common::outbox::{BOUNDARY, csrf};
use crate::common::*;

/// 629999 was never assigned to anybody; the check digit is the right one.
fn number(serial: usize) -> String {
    let first = format!("629999{}{:03}", 19_500_101 + serial / 1_000, serial % 1_000);
    format!("{first}{}", shared::check::id_check_character(&first).unwrap())
}

/// Sends the form of the page of imports as a browser does.
async fn send_table(desk: &Desk<'_>, token: &str, kind: &str, area: &str, name: &str, bytes: &[u8]) -> Response {
    let mut body = Vec::new();
    for (field, value) in [("csrf", token), ("kind", kind), ("area", area)] {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let request = desk.http.post(format!("{}/console/imports/upload", desk.centre.url)).header(COOKIE, &desk.cookie);
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    request.body(body).send().await.unwrap()
}

/// Brings a table to the console: where its page is.
async fn bring(desk: &Desk<'_>, kind: &str, area: &str, name: &str, bytes: &[u8]) -> String {
    let response = send_table(desk, &csrf(desk).await, kind, area, name, bytes).await;
    let status = response.status();
    let to = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
    assert_eq!(status, StatusCode::SEE_OTHER, "{}", response.text().await.unwrap());
    to.unwrap()
}

/// Waits for the work that goes on after an answer.
async fn worked(centre: &Centre) {
    let app = centre.app.clone();
    tokio::task::spawn_blocking(move || app.imports.wait()).await.unwrap();
}

/// Presses a button of a page and waits for the work: the page then.
async fn press(desk: &Desk<'_>, at: &str, button: &str, fill: &[(&str, &str)]) -> String {
    let page = desk.page(at).await;
    desk.submit(&page, &format!("{at}/{button}"), fill).await;
    worked(desk.centre).await;
    desk.page(at).await
}

/// Sends the form of the columns as it stands there: what is chosen stays chosen.
async fn map(desk: &Desk<'_>, at: &str, change: &[(&str, &str)]) -> Response {
    let page = desk.page(at).await;
    let mut fields = hidden(&page, &format!("{at}/map"));
    fields.extend(chosen(&page));
    fields.extend(change.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let response = desk.send(&format!("{at}/map"), &fields).await;
    worked(desk.centre).await;
    response
}

/// The selects of a page with what is chosen, and the line of the header.
fn chosen(page: &str) -> BTreeMap<String, String> {
    let attribute = |tag: &str, name: &str| {
        tag.split(&format!("{name}=\"")).nth(1).map(|it| it.split('"').next().unwrap().to_owned())
    };
    let mut all = BTreeMap::new();
    for select in page.split("<select").skip(1) {
        let select = select.split("</select>").next().unwrap();
        let picked = select.split("<option").skip(1).find(|tag| tag.split('>').next().unwrap().contains("selected"));
        let picked = picked.or_else(|| select.split("<option").nth(1)).unwrap();
        all.insert(attribute(select, "name").unwrap(), attribute(picked, "value").unwrap());
    }
    let line = page.split("name=\"line\"").nth(1).and_then(|rest| attribute(rest, "value"));
    all.extend(line.map(|line| ("line".to_owned(), line)));
    all
}

/// Which figure of a page stands over which word.
fn figure(page: &str, word: &str) -> u64 {
    let kpis = page.split("<section class=\"kpis").nth(1).unwrap_or_else(|| panic!("no figures: {page}"));
    let before = kpis.split(&format!("<span>{word}</span>")).next().unwrap();
    before.rsplit("<b>").next().unwrap().split("</b>").next().unwrap().replace(',', "").parse().unwrap()
}

fn figures(page: &str) -> [u64; 5] {
    ["新增", "变更", "相同", "待核实", "不收"].map(|word| figure(page, word))
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

fn living(centre: &Centre) -> Vec<String> {
    let mut names: Vec<String> =
        people(centre).into_iter().filter(|part| !part.deleted).map(|part| part.title).collect();
    names.sort();
    names
}

fn value(centre: &Centre, title: &str, field: &str) -> String {
    let part = people(centre).into_iter().find(|part| part.title == title).unwrap();
    let state: shared::merge::PartState = serde_json::from_str(&part.state).unwrap();
    view::one(&state, field).leading().map(|write| write.value.plain()).unwrap_or_default()
}

fn audited(centre: &Centre, action: &str) -> usize {
    let all = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.audits(100)).unwrap();
    all.iter().filter(|entry| entry.action == action).count()
}

fn on_disk(centre: &Centre) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(job::folder(&centre.app)) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn id_of(at: &str) -> Uuid {
    at.rsplit('/').next().unwrap().parse().unwrap()
}

fn sheet<'a>(book: &'a mut Workbook, name: &str) -> &'a mut Worksheet {
    book.add_worksheet().set_name(name).unwrap()
}

/// What an office has: a page of explanations, then the list under a title over all columns.
fn office() -> Vec<u8> {
    let mut book = Workbook::new();
    sheet(&mut book, "说明").write_string(0, 0, "填表说明：每人一行").unwrap();
    let day = Format::new().set_num_format("yyyy/m/d");
    let list = sheet(&mut book, "居民");
    list.write_string(0, 0, "条山社区居民花名册").unwrap();
    let header = ["序号", "居民姓名", "身份证号", "生日", "手机号码", "住址", "居住状态", "所属网格", "民族"];
    for (place, word) in (0..).zip(header) {
        list.write_string(2, place, word).unwrap();
    }
    let rows = [
        ["1", "张伟", "", "1990-05-04", "13900000002", "柳湾巷 9 号", "户籍常住", "条山社区第一网格"],
        ["2", "李娜", &number(2), "2024/3/5", "", "柳湾巷 10 号", "常住户", "条山社区第一网格"],
        ["3", "王芳", "", "2024年3月5日", "", "柳湾巷 11 号", "户籍常住", "条山社区第二网格"],
        ["4", "赵敏", "", "", "", "柳湾巷 12 号", "户籍常住", "寺滩一网格"],
        ["5", "孙丽", "", "", "", "柳湾巷 13 号", "户籍常住", "条山社区第二网格"],
        ["6", "周洁", "", "五月四日", "", "柳湾巷 14 号", "户籍常住", "条山社区第二网格"],
    ];
    for (line, row) in (3..).zip(rows) {
        for (place, text) in (0..).zip(row) {
            if !text.is_empty() {
                list.write_string(line, place, text).unwrap();
            }
        }
    }
    // As a spreadsheet keeps them: a date as a day, a text of digits as a number, a telephone as a number, an id that lost digits.
    list.write_datetime_with_format(3, 3, ExcelDateTime::from_ymd(1990, 5, 4).unwrap(), &day).unwrap();
    list.write_number(3, 4, 13_900_000_002_f64).unwrap();
    list.write_number(5, 3, 20_240_305).unwrap();
    list.write_number(7, 2, 6.299_991_950_010_1e17).unwrap();
    book.save_to_buffer().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_goes_from_the_file_to_its_undoing() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let known = [("birth_date", Value::text("1990-05-04")), ("phone", Value::text("13900000001"))];
    resident(&mut hand, "张伟", GRID, &known).await;

    let desk = Desk::logged_in(&centre, "staff").await;
    let form = desk.page("/console/imports").await;
    assert!(form.contains("enctype=\"multipart/form-data\"") && form.contains("还没有导入过表格"), "{form}");
    let at = bring(&desk, "person", "", "条山社区.xlsx", &office()).await;
    // The first sheet is not it; the list is chosen, its header is found below the title.
    let page = desk.page(&at).await;
    assert!(page.contains("条山社区.xlsx") && page.contains("填表说明：每人一行"), "{page}");
    assert_eq!(map(&desk, &at, &[("sheet", "居民"), ("reread", "1")]).await.status(), StatusCode::SEE_OTHER);
    let guessed = chosen(&desk.page(&at).await);
    assert_eq!(guessed["line"], "3");
    let columns: Vec<&str> = (0..9).map(|place| guessed[&format!("c{place}")].as_str()).collect();
    let expected = ["", "name", "id_number", "birth_date", "phone", "address", "residence_status", "@area", ""];
    assert_eq!(columns, expected);
    // What is needed is asked for, in words, and nothing is lost by that.
    let missing = map(&desk, &at, &[("c1", "")]).await;
    assert_eq!(missing.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(missing.text().await.unwrap().contains("缺少“姓名”这一列"));

    assert_eq!(map(&desk, &at, &[]).await.status(), StatusCode::SEE_OTHER);
    let page = desk.page(&at).await;
    assert_eq!(figures(&page), [1, 1, 0, 0, 4], "{page}");
    assert_eq!(people(&centre).len(), 1, "looking writes nothing");
    assert!(page.contains("联系电话：139****0001 → 139****0002"), "under their mask: {page}");
    for (line, column, reason) in [
        (5, "居住状态", "没有这个选项"),
        (7, "所属网格", "这个网格不在可以导入的范围里"),
        (8, "身份证号", "后几位丢了"),
        (9, "生日", "日期写成"),
    ] {
        let row = page
            .split(&format!("<td class=\"n\">{line}</td>"))
            .nth(1)
            .unwrap_or_else(|| panic!("no row {line}: {page}"));
        let row = row.split("</tr>").next().unwrap();
        assert!(row.contains(column) && row.contains(reason), "{line}: {row}");
    }
    // A word that no choice has is given its meaning once.
    assert!(page.contains("居住状态：常住户"), "{page}");
    let (field, word) = (("field", "residence_status"), ("word", "常住户"));
    let token = csrf(&desk).await;
    let residence = centre.app.forms.newest(RecordKind::Person).unwrap().field("residence_status").unwrap();
    let code = residence.choices.iter().find(|choice| choice.zh == "户籍常住").unwrap().code.clone();
    desk.send(&format!("{at}/words"), &[("csrf", &token), field, word, ("code", &code)]).await;
    worked(&centre).await;
    let page = desk.page(&at).await;
    assert_eq!(figures(&page), [2, 1, 0, 0, 3], "{page}");
    let file = job::file(&centre.app, id_of(&at));
    assert!(file.exists());

    let page = press(&desk, &at, "take", &[]).await;
    assert!(page.contains("已经导入"), "{page}");
    assert_eq!(figures(&page), [2, 1, 0, 0, 3], "{page}");
    assert_eq!(living(&centre), ["张伟", "李娜", "王芳"].map(str::to_owned));
    assert_eq!(value(&centre, "张伟", "phone"), "13900000002");
    assert_eq!(value(&centre, "李娜", "birth_date"), "2024-03-05");
    assert_eq!(value(&centre, "王芳", "birth_date"), "2024-03-05");
    assert_eq!(value(&centre, "李娜", "residence_status"), code);
    assert!(!file.exists(), "the table is gone once it is brought in");
    // The whole report says where and why, and no value.
    let csv = desk.page(&format!("{at}/report.csv")).await;
    for words in ["7,不收,所属网格", "8,不收,身份证号", "9,不收,生日", "4,变更"] {
        assert!(csv.contains(words), "{words}: {csv}");
    }
    assert!(!csv.contains("赵敏") && !csv.contains("13900000002"), "{csv}");
    let bytes = desk.get(&format!("{at}/report.xlsx")).await.bytes().await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(bytes.to_vec())).unwrap();
    let first = book.sheet_names()[0].clone();
    let range = book.worksheet_range(&first).unwrap();
    assert!(range.rows().any(|row| row[0] == Data::Float(8.0) && row[2] == Data::String("身份证号".to_owned())));
    for action in ["audit-import-read", "audit-import-begun", "audit-import"] {
        assert!(audited(&centre, action) >= 1, "{action}");
    }

    // The same header again: its columns and words are known.
    let twin = bring(&desk, "person", "", "再来.xlsx", &office()).await;
    map(&desk, &twin, &[("sheet", "居民"), ("reread", "1")]).await;
    map(&desk, &twin, &[]).await;
    assert_eq!(figures(&desk.page(&twin).await), [0, 0, 3, 0, 3]);
    press_drop(&desk, &twin).await;
    assert!(!job::file(&centre.app, id_of(&twin)).exists());

    let page = press(&desk, &at, "undo", &[]).await;
    assert!(page.contains("删除 2 条，恢复 1 条，保留 0 处"), "{page}");
    assert_eq!(living(&centre), ["张伟".to_owned()]);
    assert_eq!(value(&centre, "张伟", "phone"), "13900000001");
    assert_eq!(value(&centre, "张伟", "residence_status"), "", "what was not there before is not there again");
    assert_eq!(audited(&centre, "audit-import-undone"), 1);
    // The handheld sees it as any other change.
    hand.catch_up().await;
    let again = desk.send(&format!("{at}/undo"), &[("csrf", &token)]).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert!(again.text().await.unwrap().contains("已经撤销过了"));
}

async fn press_drop(desk: &Desk<'_>, at: &str) {
    let token = csrf(desk).await;
    assert_eq!(desk.send(&format!("{at}/drop"), &[("csrf", &token)]).await.status(), StatusCode::SEE_OTHER);
}

/// A table of residents of one grid, in CSV.
async fn take_csv(desk: &Desk<'_>, text: &str) -> String {
    let at = bring(desk, "person", &GRID.to_string(), "residents.csv", text.as_bytes()).await;
    assert_eq!(map(desk, &at, &[]).await.status(), StatusCode::SEE_OTHER);
    press(desk, &at, "take", &[]).await;
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_worked_on_since_stays_and_is_told() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    hand.catch_up().await;
    let before = [("address", Value::text("柳湾巷 9 号")), ("phone", Value::text("13900000001"))];
    let old = resident(&mut hand, "张伟", GRID, &before).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let table = "姓名,现住址,联系电话,备注\n张伟,柳湾巷 9 号,13900000009,新来的\n李娜,柳湾巷 10 号,,\n王芳,柳湾巷 11 号,,\n赵敏,柳湾巷 12 号,,\n";
    let at = take_csv(&desk, table).await;
    assert_eq!(living(&centre).len(), 4);

    hand.catch_up().await;
    let of = |name: &str| people(&centre).into_iter().find(|part| part.title == name).unwrap().record;
    let (na, fang) = (of("李娜"), of("王芳"));
    // Of whom another record says that they belong to it, without a word in their own.
    let home = resident(&mut hand, "孙丽", GRID, &[]).await;
    let phone = hand.change(old, &[("phone", Value::text("13900000005"))]);
    let moved = hand.change(na, &[("phone", Value::text("13900000006"))]);
    let link = hand.change(home, &[("householder", Value::of(&fang))]);
    let answer = hand.sync(vec![phone, moved, link]).await;
    for place in 0..3 {
        applied(&answer, place);
    }

    let page = press(&desk, &at, "undo", &[]).await;
    assert!(page.contains("删除 1 条，恢复 1 条，保留 3 处"), "{page}");
    for words in ["李娜", "王芳", "张伟", "导入以后有人改过这一项", "别的记录关联了它"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(living(&centre), ["孙丽", "张伟", "李娜", "王芳"].map(str::to_owned));
    assert_eq!(value(&centre, "张伟", "phone"), "13900000005", "what was written later stays");
    assert_eq!(value(&centre, "张伟", "note"), "", "and the rest went back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_broke_off_goes_on_where_it_was_and_is_undone_whole() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let rows = |n: usize| -> String {
        let row = |place| format!("人{place},{},长渠街 {place} 号\n", number(place));
        std::iter::once("姓名,证件号码,现住址\n".to_owned()).chain((0..n).map(row)).collect()
    };
    let at = take_csv(&desk, &rows(500)).await;
    // As it is where the server died after the first piece of a longer table.
    let mut import = store::read(&*centre.app.store, TOWN, |read| Import::find(read, id_of(&at))).unwrap().unwrap();
    import.body.state = State::Running;
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| import.put(tx)).unwrap();
    std::fs::write(job::file(&centre.app, import.id), rows(1_200)).unwrap();
    // Nobody knows yet that it broke off: others wait for it.
    let other = bring(&desk, "person", &GRID.to_string(), "other.csv", b"\xE5\xA7\x93\xE5\x90\x8D\nx\n").await;
    map(&desk, &other, &[]).await;
    let token = csrf(&desk).await;
    let refused = desk.send(&format!("{other}/take"), &[("csrf", &token)]).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.text().await.unwrap().contains("正在导入或撤销另一个表"));
    let answer = desk.get(&at).await;
    assert_eq!(answer.headers()["refresh"], "2");
    assert!(answer.text().await.unwrap().contains("已处理 500 行"));
    centre.clock.advance(TimeDelta::minutes(3));
    let page = desk.page(&at).await;
    assert!(page.contains("中断了") && page.contains("接着导入"), "{page}");

    let page = press(&desk, &at, "take", &[]).await;
    assert_eq!(figures(&page), [1_200, 0, 0, 0, 0], "{page}");
    assert_eq!(living(&centre).len(), 1_200);
    let page = press(&desk, &at, "undo", &[]).await;
    assert!(page.contains("删除 1,200 条，恢复 0 条，保留 0 处"), "{page}");
    assert_eq!(living(&centre).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_brings_in_what_is_theirs_and_files_are_for_nobody_else() {
    let centre = Centre::open().await;
    for (login, role, area) in [
        ("staff", Role::CenterStaff, AreaId(10)),
        ("other", Role::CenterStaff, AreaId(20)),
        ("whole", Role::CenterStaff, TOWN),
        ("leader", Role::GridLeader, AreaId(10)),
    ] {
        person(&centre, login, role, area, false, false);
    }
    let leader = Desk::logged_in(&centre, "leader").await;
    assert_eq!(leader.get("/console/imports").await.status(), StatusCode::FORBIDDEN);
    let table = "姓名,所属网格,关爱服务\n张伟,11,\n李娜,21,\n王芳,12,送餐\n";
    let refused = send_table(&leader, &csrf(&leader).await, "person", "", "x.csv", table.as_bytes()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let desk = Desk::logged_in(&centre, "staff").await;
    let forged = send_table(&desk, "0", "person", "", "x.csv", table.as_bytes()).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let elsewhere = send_table(&desk, &csrf(&desk).await, "person", "21", "x.csv", table.as_bytes()).await;
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    for (bytes, words) in
        [(&b"PK\x03\x04 no book"[..], "表格文件不完整"), (b"\xFF\xFEa\x00", "UTF-16"), (b"", "没有选文件")]
    {
        let response = send_table(&desk, &csrf(&desk).await, "person", "", "x.xlsx", bytes).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let said = response.text().await.unwrap();
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(on_disk(&centre), Vec::<String>::new());

    let at = bring(&desk, "person", "", "x.csv", table.as_bytes()).await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for path in [job::folder(&centre.app), job::file(&centre.app, id_of(&at))] {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }
    map(&desk, &at, &[]).await;
    let page = desk.page(&at).await;
    assert_eq!(figures(&page), [1, 0, 0, 0, 2], "{page}");
    assert!(page.contains("这个网格不在可以导入的范围里") && page.contains("您不能写关爱服务的内容"), "{page}");
    let (other, whole) = (Desk::logged_in(&centre, "other").await, Desk::logged_in(&centre, "whole").await);
    assert_eq!(other.get(&at).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(other.get(&format!("{at}/report.csv")).await.status(), StatusCode::NOT_FOUND);
    assert!(!other.page("/console/imports").await.contains("x.csv"));
    assert!(whole.page("/console/imports").await.contains("x.csv"));
    // After a week nothing of it is left, and the page says so.
    centre.clock.advance(TimeDelta::days(8));
    let desk = Desk::logged_in(&centre, "staff").await;
    bring(&desk, "person", "", "y.csv", table.as_bytes()).await;
    assert_eq!(on_disk(&centre).len(), 1);
    let page = desk.page(&at).await;
    assert!(page.contains("已放弃") && page.contains("请重新上传"), "{page}");
    let token = csrf(&desk).await;
    let gone = desk.send(&format!("{at}/take"), &[("csrf", &token)]).await;
    assert_eq!(gone.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(gone.text().await.unwrap().contains("请重新上传"));
    assert_eq!(people(&centre).len(), 0);
}

/// Written by a spreadsheet of before 2007: a header, a resident with a day as a day, and one whose number lost digits.
const OLD: &[u8] = include_bytes!("../fixtures/residents.xls");

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_of_before_2007_is_read_too() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let at = bring(&desk, "person", &GRID.to_string(), "residents.xls", OLD).await;
    map(&desk, &at, &[]).await;
    let page = press(&desk, &at, "take", &[]).await;
    assert_eq!(figures(&page), [1, 0, 0, 0, 1], "{page}");
    assert_eq!(value(&centre, "张伟", "birth_date"), "1990-05-04");
    assert!(desk.page(&format!("{at}/report.csv")).await.contains("3,不收,身份证号码,号码被"));
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_organisations_are_brought_in_too() {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let label = |kind| {
        let field = centre.app.forms.newest(kind).unwrap().field("type").unwrap();
        field.choices[0].zh.clone()
    };
    let shops = format!(
        "单位名称,类型,信用代码,从业人数,所属网格\n条山杂货店,{0},,12,11\n黄河粮油店,{0},12AB,3,12\n",
        label(RecordKind::Organization)
    );
    let homes = format!("小区名称,类型,地址,网格\n条山花园,{},条山路 1 号,11\n", label(RecordKind::Place));
    for (kind, table, expected, names) in [
        (RecordKind::Organization, shops, [2, 0, 0, 1, 0], ["条山杂货店", "黄河粮油店"].as_slice()),
        (RecordKind::Place, homes, [1, 0, 0, 0, 0], &["条山花园"]),
    ] {
        let at = bring(&desk, kind.code(), "", "table.csv", table.as_bytes()).await;
        map(&desk, &at, &[]).await;
        let page = press(&desk, &at, "take", &[]).await;
        assert_eq!(figures(&page), expected, "{page}");
        let list = desk.page("/console/records").await;
        assert!(names.iter().all(|name| list.contains(name)), "{list}");
        let page = press(&desk, &at, "undo", &[]).await;
        assert!(page.contains(&format!("删除 {} 条", names.len())), "{page}");
    }
}
