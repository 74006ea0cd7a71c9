//! What a round costs beside a hundred towns: one town is filled as any, measured, then its rows are copied in SQL under other
//! towns, ids and slots, and it is measured again. The copies are as large as towns are; nobody works in them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::pages;
use super::rounds::{Rounds, both};
use super::table::{Line, Times, ratio, seconds};
use crate::centre::Centre;
use crate::load::DATABASE;
use crate::postgres::Cluster;
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

/// Where the town's rows are.
enum Rows<'a> {
    /// In the file of the folder.
    File(rusqlite::Connection),
    /// In [`DATABASE`] of a cluster.
    Cluster(&'a Cluster),
}

/// Before and after, of the town in `data`; where a cluster is given, its records are there.
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
pub async fn run(dir: &Path, data: &Path, township: &Township, cluster: Option<&Cluster>) -> Result<Vec<Line>> {
    let towns = std::env::var("TOWNS").ok().and_then(|it| it.parse().ok()).unwrap_or(TOWNS);
    let (dir, store) = match cluster {
        Some(_) => (dir.join("county-postgres"), "PostgreSQL"),
        None => (dir.join("county"), "SQLite"),
    };
    if let Some(cluster) = cluster {
        // It does so by itself, a minute after so much was written.
        cluster.sql_in(DATABASE, "VACUUM ANALYZE")?;
    }
    let alone = measure(&dir.join("alone"), data, township, "staff").await?;
    let start = Instant::now();
    let rows = match cluster {
        Some(cluster) => Rows::Cluster(cluster),
        None => Rows::File(rusqlite::Connection::open(data.join("town.db"))?),
    };
    // Nobody else has anything to do meanwhile.
    let (records, bytes) = rows.copy(township.town.0, towns)?;
    drop(rows);
    println!("{towns} towns, {records} records, {bytes:.1} GB in {store}, copied in {}", seconds(start.elapsed()));
    let among = measure(&dir.join("among"), data, township, "staff2").await?;
    let line = |work: &str, ours: &Times, floor: &Times| Line {
        work: format!("{work}, {towns} towns, {records} records, {store}"),
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

impl Rows<'_> {
    /// Statements of one transaction.
    fn all(&self, sql: &str) -> Result<()> {
        match self {
            Self::File(conn) => conn.execute_batch(&format!("BEGIN; {sql}; COMMIT"))?,
            Self::Cluster(cluster) => drop(cluster.sql_in(DATABASE, sql)?),
        }
        Ok(())
    }

    /// A column of text, and nothing else.
    fn texts(&self, sql: &str) -> Result<Vec<String>> {
        match self {
            Self::File(conn) => Ok(conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?),
            Self::Cluster(cluster) => Ok(cluster.sql_in(DATABASE, sql)?.lines().map(str::to_owned).collect()),
        }
    }

    fn columns(&self, table: &str) -> Result<Vec<String>> {
        let names = self.texts(&match self {
            Self::File(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
            Self::Cluster(_) => {
                format!("SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")
            }
        })?;
        ensure!(!names.is_empty(), "no table {table}");
        Ok(names)
    }

    fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.texts(sql)?.first().context("a number")?.parse()?)
    }

    /// Copies the town's rows until there are so many towns. Gives how many open parts there are, and how many GB they take.
    fn copy(&self, town: u32, towns: u32) -> Result<(i64, f64)> {
        if let Self::File(conn) = self {
            conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")?;
        }
        let of_town = format!("town = {town}");
        let mut tables = Vec::new();
        for (table, which) in [
            ("area", format!("id < {APART} AND level <> 'county'")),
            ("slot", of_town.clone()),
            ("sequence", of_town.clone()),
            ("part", of_town.clone()),
            ("edit", of_town.clone()),
            ("event", of_town.clone()),
            ("event_count", of_town),
        ] {
            tables.push((table, which, self.columns(table)?));
        }
        for n in 1..towns {
            let far = u64::from(n) * u64::from(APART);
            // Ids differ in their last bytes, slots and areas by the distance of the towns.
            let other = |table: &str, name: &str| match (table, name) {
                (_, "town") | ("area", "id") => format!("{name} + {far}"),
                ("area", "parent") => format!("CASE WHEN id = {town} THEN parent ELSE parent + {far} END"),
                ("part", "areas") => format!("',' || (CAST(trim(areas, ',') AS BIGINT) + {far}) || ','"),
                ("edit", "id") => match self {
                    Self::File(_) => format!("CAST(substr(id, 1, 12) || '{n:04}' AS BLOB)"),
                    Self::Cluster(_) => format!("substr(id, 1, 12) || convert_to('{n:04}', 'UTF8')"),
                },
                (_, "slot") => format!("slot + {far}"),
                // SQLite gives them by itself.
                (_, "row") => "nextval('edit_row')".to_owned(),
                _ => name.to_owned(),
            };
            let mut all = Vec::new();
            for (table, which, columns) in &tables {
                let names = columns.iter().filter(|name| *name != "row" || matches!(self, Self::Cluster(_)));
                let names: Vec<&str> = names.map(String::as_str).collect();
                let values: Vec<String> = names.iter().map(|name| other(table, name)).collect();
                let (names, values) = (names.join(", "), values.join(", "));
                all.push(format!("INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {which}"));
            }
            // What a town has noted of itself: without it the server would count all its figures anew when it starts.
            all.push(format!(
                "INSERT INTO meta (key, value) SELECT '{}' || substr(key, {}), value FROM meta WHERE key LIKE '{town}/%'",
                u64::from(town) + far,
                town.to_string().len() + 1
            ));
            self.all(&all.join("; ")).with_context(|| format!("town {n}"))?;
        }
        self.all("UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'directory_version'")?;
        // As it stands after a night: PostgreSQL has looked at its tables, and nothing is left to be written to them.
        let bytes = match self {
            Self::File(conn) => {
                conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
                self.number("SELECT CAST(page_count * page_size AS TEXT) FROM pragma_page_count, pragma_page_size")?
            }
            Self::Cluster(cluster) => {
                cluster.sql_in(DATABASE, "VACUUM ANALYZE")?;
                cluster.sql_in(DATABASE, "CHECKPOINT")?;
                self.number("SELECT pg_database_size(current_database())")?
            }
        };
        let records = self.number("SELECT CAST(count(*) AS TEXT) FROM part WHERE part = 'open'")?;
        Ok((records, f64::from(u32::try_from(bytes / 1_000_000)?) / 1e3))
    }
}
