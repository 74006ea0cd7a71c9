//! A whole township in one workbook: 72,000 rows with 500 planted faults (`make import-72000`), 3,000 with 60 otherwise.

use std::time::Instant;

use super::*;

/// What is wrong with a row: told under which column, and in which words.
const FAULTS: [(&str, &str); 8] = [
    ("证件号码", "后几位丢了"),
    ("出生日期", "日期写成"),
    ("居住状态", "没有这个选项"),
    ("所属网格", "没有这个网格"),
    ("姓名", ""),
    ("证件号码", ""),
    ("", "是同一个"),
    ("所属网格", "不在可以导入的范围里"),
];
/// The one of them that is taken and marked.
const DOUBTFUL: usize = 5;
/// The row that stands twice.
const TWICE: usize = 6;

fn unique(serial: usize) -> String {
    let (month, day) = (1 + serial / 28_000, 1 + serial / 1_000 % 28);
    let first = format!("6299991980{month:02}{day:02}{:03}", serial % 1_000);
    format!("{first}{}", shared::check::id_check_character(&first).unwrap())
}

/// The workbook, and the fault of each row that has one.
fn workbook(rows: usize, faults: usize) -> (Vec<u8>, BTreeMap<usize, usize>) {
    let mut book = Workbook::new();
    let mut list = book.new_worksheet_with_constant_memory().unwrap();
    for (place, word) in (0..).zip(["姓名", "证件号码", "出生日期", "居住状态", "现住址", "所属网格"])
    {
        list.write_string(0, place, word).unwrap();
    }
    let mut planted = BTreeMap::new();
    let every = rows / faults;
    for row in 0..rows {
        let fault = (row % every == every - 1 && planted.len() < faults).then(|| planted.len() % FAULTS.len());
        let line = u32::try_from(row + 1).unwrap();
        planted.extend(fault.map(|fault| (row + 2, fault)));
        let mut number = unique(row);
        if fault == Some(DOUBTFUL) {
            let wrong = if number.ends_with('1') { "2" } else { "1" };
            number.replace_range(17.., wrong);
        }
        if fault == Some(TWICE) {
            number = unique(row - 1);
        }
        if fault != Some(4) {
            list.write_string(line, 0, format!("人{row}")).unwrap();
        }
        match fault {
            Some(0) => drop(list.write_number(line, 1, 6.299_991_980_010_1e17).unwrap()),
            _ => drop(list.write_string(line, 1, &number).unwrap()),
        }
        let birth = format!("{}-{}-{}", &number[6..10], &number[10..12], &number[12..14]);
        list.write_string(line, 2, if fault == Some(1) { "去年" } else { &birth }).unwrap();
        list.write_string(line, 3, if fault == Some(2) { "不知道" } else { "户籍常住" }).unwrap();
        list.write_string(line, 4, format!("长渠街 {row} 号")).unwrap();
        let area = match fault {
            Some(3) => "没有的网格",
            Some(7) => "寺滩一网格",
            _ => ["条山社区第一网格", "条山社区第二网格", "城北社区第一网格"][row % 3],
        };
        list.write_string(line, 5, area).unwrap();
    }
    book.push_worksheet(list);
    (book.save_to_buffer().unwrap(), planted)
}

/// The most memory this process has had, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_fault_is_told_the_rest_is_there_and_all_of_it_goes_again() {
    let rows: usize = std::env::var("IMPORT_ROWS").map_or(3_000, |rows| rows.parse().unwrap());
    let faults = if rows < 72_000 { 60 } else { 500 };
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let (bytes, planted) = workbook(rows, faults);
    assert_eq!(planted.len(), faults);
    let doubtful = planted.values().filter(|fault| **fault == DOUBTFUL).count();
    let refused = faults - doubtful;
    let n = |n: usize| u64::try_from(n).unwrap();
    let expected = [n(rows - refused), 0, 0, n(doubtful), n(refused)];

    println!("{rows} rows, {} KB; {} MB at the start", bytes.len() / 1_024, peak());
    let started = Instant::now();
    let at = bring(&desk, "person", "", "township.xlsx", &bytes).await;
    map(&desk, &at, &[]).await;
    let page = desk.page(&at).await;
    assert_eq!(figures(&page), expected, "{page}");
    println!("looked through after {:.1} s; {} MB", started.elapsed().as_secs_f64(), peak());
    let page = press(&desk, &at, "take", &[]).await;
    assert_eq!(figures(&page), expected, "{page}");
    println!("brought in after {:.1} s; {} MB", started.elapsed().as_secs_f64(), peak());
    assert_eq!(living(&centre).len(), rows - refused);

    let report = desk.page(&format!("{at}/report.csv")).await;
    let told: BTreeMap<usize, &str> =
        report.lines().skip(1).map(|line| (line.split(',').next().unwrap().parse().unwrap(), line)).collect();
    assert_eq!(told.len(), faults, "nothing else is told");
    for (line, fault) in &planted {
        let (column, reason) = FAULTS[*fault];
        let outcome = if *fault == DOUBTFUL { "收下，待核实" } else { "不收" };
        let said = told.get(line).unwrap_or_else(|| panic!("line {line} is not told"));
        assert!(said.starts_with(&format!("{line},{outcome},{column},")) && said.contains(reason), "{said}");
        assert!(!said.ends_with(','), "without a reason: {said}");
    }

    let page = press(&desk, &at, "undo", &[]).await;
    assert!(page.contains("恢复 0 条，保留 0 处"), "{page}");
    println!("undone after {:.1} s; {} MB", started.elapsed().as_secs_f64(), peak());
    assert_eq!(living(&centre).len(), 0);
}
