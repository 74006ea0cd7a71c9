//! What a round costs beside a hundred towns: one town is filled as any, measured, then its rows are copied in SQL under other
//! towns, ids and slots, and it is measured again. The copies are as large as towns are; nobody works in them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::pages;
use super::rounds::{Rounds, both};
use super::table::{Line, Times, ratio, seconds};
use crate::centre::Centre;
use crate::township::Township;

/// How many towns there are in the end, unless `TOWNS` says otherwise.
const TOWNS: u32 = 100;
/// A copy's numbers are its town's this far on; numbers of areas stay below it.
const APART: u32 = 1_000_000;

/// What is measured.
struct Measured {
    rounds: Rounds,
    search: Times,
}

/// Before and after.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub async fn run(dir: &Path, data: &Path, township: &Township) -> Result<Vec<Line>> {
    let towns = std::env::var("TOWNS").ok().and_then(|it| it.parse().ok()).unwrap_or(TOWNS);
    let alone = measure(&dir.join("alone"), data, township, "staff").await?;
    let (folder, town) = (data.to_owned(), township.town.0);
    let start = Instant::now();
    let (records, bytes) = tokio::task::spawn_blocking(move || copy(&folder, town, towns)).await??;
    println!("{towns} towns, {records} records, {bytes:.1} GB, copied in {}", seconds(start.elapsed()));
    let among = measure(&dir.join("among"), data, township, "staff2").await?;
    let line = |work: &str, ours: &Times, floor: &Times| Line {
        work: format!("{work}, {towns} towns, {records} records"),
        ours: ours.words(),
        floor: format!("its town alone: {}", floor.words()),
        ratio: ratio(ours.p50(), floor.p50()),
        goal: "within 2 × of one town's",
        met: Some(ours.p50() <= floor.p50() * 2),
    };
    Ok(vec![
        line("sync of one edited field", &among.rounds.one, &alone.rounds.one),
        line("idle sync", &among.rounds.idle, &alone.rounds.idle),
        line("staff search of a name", &among.search, &alone.search),
    ])
}

/// `login`: a code of theirs counts once.
async fn measure(dir: &Path, data: &Path, township: &Township, login: &str) -> Result<Measured> {
    std::fs::create_dir_all(dir)?;
    let centre = Centre::open(data).await?;
    let rounds = both(dir, &centre, township).await?;
    let clerk = pages::Clerk::log_in(&centre.url(), login).await?;
    let search = clerk.times("/console/records?q=张伟").await?;
    Ok(Measured { rounds, search })
}

/// Copies the town's rows until there are so many towns. Gives how many open parts there are, and the size of the file.
fn copy(data: &Path, town: u32, towns: u32) -> Result<(i64, f64)> {
    let file = data.join("town.db");
    let conn = rusqlite::Connection::open(&file)?;
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")?;
    let columns = |table: &str, but: &[&str]| -> Result<Vec<String>> {
        let mut query = conn.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        let names = query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(names.into_iter().filter(|name| !but.contains(&name.as_str())).collect())
    };
    for n in 1..towns {
        let far = u64::from(n) * u64::from(APART);
        // Ids differ in their last bytes, slots and areas by the distance of the towns.
        let other = |table: &str, name: &str| match (table, name) {
            (_, "town") | ("area", "id") => format!("{name} + {far}"),
            ("area", "parent") => format!("CASE WHEN id = {town} THEN parent ELSE parent + {far} END"),
            ("part", "areas") => format!("',' || (CAST(trim(areas, ',') AS INTEGER) + {far}) || ','"),
            ("edit", "id") => format!("CAST(substr(id, 1, 12) || substr(printf('%08d', {n}), 5) AS BLOB)"),
            (_, "slot") => format!("slot + {far}"),
            _ => name.to_owned(),
        };
        let tx = conn.unchecked_transaction()?;
        for (table, but, which) in [
            ("area", &[][..], format!("id < {APART} AND level <> 'county'")),
            ("slot", &[], format!("town = {town}")),
            ("sequence", &[], format!("town = {town}")),
            ("part", &["row"], format!("town = {town}")),
            ("edit", &["row"], format!("town = {town}")),
            ("event", &["row"], format!("town = {town}")),
            ("event_count", &[], format!("town = {town}")),
        ] {
            let names = columns(table, but)?;
            ensure!(!names.is_empty(), "no table {table}");
            let values: Vec<String> = names.iter().map(|name| other(table, name)).collect();
            let sql = format!(
                "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE {which}",
                names.join(", "),
                values.join(", ")
            );
            tx.execute(&sql, []).with_context(|| format!("copying {table}"))?;
        }
        // What a town has noted of itself: without it the server would count all its figures anew when it starts.
        tx.execute(
            "INSERT INTO meta (key, value) SELECT ?1 || substr(key, ?2), value FROM meta WHERE key LIKE ?3",
            rusqlite::params![
                (u64::from(town) + far).to_string(),
                i64::try_from(town.to_string().len())? + 1,
                format!("{town}/%")
            ],
        )?;
        tx.commit()?;
    }
    conn.execute_batch(
        "UPDATE meta SET value = value + 1 WHERE key = 'directory_version'; PRAGMA wal_checkpoint(TRUNCATE)",
    )?;
    let records = conn.query_row("SELECT count(*) FROM part WHERE part = 'open'", [], |row| row.get(0))?;
    drop(conn);
    let megabytes = u32::try_from(std::fs::metadata(&file)?.len() / 1_000_000)?;
    Ok((records, f64::from(megabytes) / 1e3))
}
