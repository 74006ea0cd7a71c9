//! What all of them are given: the residents of the township and what five writers change in them, none having seen
//! another. Names, numbers and households come from the township that `make bench` fills.

#![expect(dead_code, reason = "the township says more than is asked of it here")]

#[path = "../../tests/src/township/dice.rs"]
mod dice;
#[path = "../../tests/src/township/household.rs"]
mod household;
#[path = "../../tests/src/township/names.rs"]
mod names;
#[path = "../../tests/src/township/numbers.rs"]
mod numbers;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Map;

use dice::Dice;

/// As many as the township has, in as many grids.
pub const RECORDS: usize = 72_000;
const GRIDS: usize = 66;
/// As in `make bench`: five writers, four fields, 5,000 records make 100,000 edits.
pub const WRITERS: usize = 5;
/// Those that are edited, the first ones.
pub const EDITED: usize = 5_000;
const EDITED_FIELDS: [&str; 4] = ["phone", "address", "note", "residence_status"];
/// A record has these, each a text.
pub const FIELDS: [&str; 16] = [
    "address",
    "area",
    "birth_date",
    "employer",
    "householder",
    "id_number",
    "id_type",
    "lives_at",
    "moved_from",
    "name",
    "note",
    "phone",
    "registered_at",
    "relation",
    "residence_status",
    "sex",
];
const NOTES: [&str; 4] = [
    "来电说水表要换，约周三上门，带好工具和登记表，家里有狗，先打电话。",
    "老年证到期，材料交到中心代办，办好后送上门，顺便看看取暖的煤够不够。",
    "门铃坏了，先打电话再去；楼道的灯报修过，下次走访看修好没有。",
    "周末才在家，平时在县城上班，要签字的事约星期六上午，地点在社区。",
];

/// What households are made in.
struct Township {
    today: DateTime<Utc>,
}

/// A record: its id and the text of each of [`FIELDS`].
#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub values: [String; 16],
}

impl Person {
    /// Fields and their values.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        FIELDS.into_iter().zip(self.values.iter().map(String::as_str))
    }

    /// As JSON, its id aside.
    pub fn json(&self) -> Result<String> {
        let object: Map<_, _> = self.fields().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Ok(serde_json::to_string(&object)?)
    }
}

/// One field of one record by one writer.
#[derive(Debug, Clone, Serialize)]
pub struct FieldEdit {
    pub writer: usize,
    /// Counts the writer's own, from 1.
    pub n: u64,
    pub record: String,
    pub field: &'static str,
    pub value: String,
}

/// The day everything was recorded.
pub fn today() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default()
}

/// `count` residents.
pub fn people(count: usize) -> Vec<Person> {
    let (township, today) = (Township { today: today() }, today());
    let mut all = Vec::with_capacity(count);
    for grid in 0..GRIDS {
        let mut dice = Dice::new(0x1000 + grid as u64);
        let share = count / GRIDS + usize::from(grid < count % GRIDS);
        let community = names::community(grid / 5);
        let (area, from) = ((grid / 5 + 1) * 100 + grid % 5 + 1, (grid / 5 + 1) * 100 + 1);
        let (mut left, mut house) = (share, 0);
        while left > 0 {
            house += 1;
            let address = format!("{community}{}组 {house} 号", names::numeral(grid % 9 + 1));
            let place = dice.uuid(today).to_string();
            let mut head = None;
            for resident in household::make(&township, &mut dice, left) {
                let id = dice.uuid(today).to_string();
                let birth = resident.id_number.get(6..14).unwrap_or_default();
                let woman = resident.id_number.as_bytes().get(16).is_some_and(|digit| digit % 2 == 0);
                let employer = format!("青禾镇{}", names::shop(&mut dice).0);
                let status = dice.word(&["resident", "resident", "moved_in", "registered_elsewhere"]).to_owned();
                let head = head.get_or_insert_with(|| id.clone()).clone();
                let values = [
                    address.clone(),
                    area.to_string(),
                    birth.to_owned(),
                    employer,
                    head,
                    resident.id_number.clone(),
                    "resident_id".to_owned(),
                    place.clone(),
                    from.to_string(),
                    resident.name,
                    dice.word(&NOTES).to_owned(),
                    resident.phone.unwrap_or_else(|| numbers::phone(&mut dice)),
                    format!("云岭县青禾镇{address}"),
                    resident.relation.to_owned(),
                    status,
                    if woman { "female" } else { "male" }.to_owned(),
                ];
                all.push(Person { id, values });
                left -= 1;
            }
        }
    }
    all
}

/// The edits of one writer, in order.
pub fn edits(people: &[Person], writer: usize) -> Vec<FieldEdit> {
    let edited = people.iter().take(EDITED);
    let all = EDITED_FIELDS.into_iter().flat_map(|field| edited.clone().map(move |person| (field, person)));
    all.enumerate()
        .map(|(n, (field, person))| {
            let value = match field {
                "phone" => format!("138000{:05}", n % 100_000),
                "residence_status" => "away".to_owned(),
                _ => format!("第{writer}人写的第{n}次"),
            };
            FieldEdit { writer, n: n as u64 + 1, record: person.id.clone(), field, value }
        })
        .collect()
}

/// The same for a program in another language: `people.ndjson` and `edits.ndjson` in a folder.
pub fn write(people: &[Person], dir: &Path) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(dir.join("people.ndjson")).context("the residents")?);
    for person in people {
        writeln!(out, "{{\"_id\":\"{}\",{}", person.id, person.json()?.trim_start_matches('{'))?;
    }
    out.flush()?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(dir.join("edits.ndjson")).context("the edits")?);
    for edit in (0..WRITERS).flat_map(|writer| edits(people, writer)) {
        writeln!(out, "{}", serde_json::to_string(&edit)?)?;
    }
    out.flush().context("the edits")
}
