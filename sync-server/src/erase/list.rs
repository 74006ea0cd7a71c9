//! `erased.list`: the ids of erased records, and of parts that ended, in the data folder and in no backup. Appended and on
//! the disk before the database forgets; read at each start. One line a record,
//! `<id> <town> <kind> <milliseconds since 1970> .`, or a part,
//! `<id> <town> <kind> <milliseconds> <part> <field> <slot> <n> <epoch> <the server's edit> <emptied edit>… .`, or what became
//! of a terminal, `<id> <town> terminal <milliseconds> <fate> .`: a restored database must not let a stolen one in again. A
//! line without its dot was cut off by a crash before anything was erased.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::{DeviceId, Dot, RecordId, Slot};
use shared::record::{Part, RecordKind};

use super::ended::Ended;
use crate::backup::ERASED;
use crate::store::{Erased, Fate};

/// How often a list that another process is writing to is tried.
const ATTEMPTS: usize = 50;

/// Erased records by town and id, ended parts by town in the order of their ending, terminals whose enrolment was ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(
    BTreeMap<(AreaId, RecordId), Erased>,
    BTreeMap<(AreaId, i64, Dot), Ended>,
    BTreeMap<(AreaId, i64, DeviceId), Doomed>,
);

/// What was said, or became, of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doomed {
    /// Which.
    pub device: DeviceId,
    /// What.
    pub fate: Fate,
    /// When.
    pub at: DateTime<Utc>,
}

/// Stands where of a record its kind does.
const TERMINAL: &str = "terminal";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Erased(AreaId, Erased),
    Ended(AreaId, Ended),
    Doomed(AreaId, Doomed),
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A line (from 1) says something else.
    #[error("line {0} is not an erased record")]
    Line(usize),
}

impl List {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing stands on it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_empty() && self.2.is_empty()
    }

    /// Each record with its town, in order.
    pub fn iter(&self) -> impl Iterator<Item = (AreaId, &Erased)> {
        self.0.iter().map(|((town, _), erased)| (*town, erased))
    }

    /// The parts of a town that ended, in the order in which they did.
    pub fn ended(&self, town: AreaId) -> Vec<Ended> {
        self.1.iter().filter(|((of, ..), _)| *of == town).map(|(_, ended)| ended.clone()).collect()
    }

    /// The terminals of a town, in the order in which it was said.
    pub fn doomed(&self, town: AreaId) -> Vec<Doomed> {
        self.2.iter().filter(|((of, ..), _)| *of == town).map(|(_, doomed)| *doomed).collect()
    }

    /// Every town that it names.
    pub fn towns(&self) -> impl Iterator<Item = AreaId> {
        let records = self.0.keys().map(|(town, _)| *town);
        records.chain(self.1.keys().map(|(town, ..)| *town)).chain(self.2.keys().map(|(town, ..)| *town))
    }

    /// Adds what another list knows.
    pub fn join(&mut self, more: Self) {
        self.extend(more.0.into_iter().map(|((town, _), erased)| (town, erased)));
        for (key, ended) in more.1 {
            self.1.entry(key).or_insert(ended);
        }
        for (key, doomed) in more.2 {
            self.2.entry(key).or_insert(doomed);
        }
    }

    fn put(&mut self, line: Line) {
        match line {
            Line::Erased(town, erased) => self.extend([(town, erased)]),
            Line::Ended(town, ended) => {
                self.1.entry((town, ended.at.timestamp_millis(), ended.dot)).or_insert(ended);
            }
            Line::Doomed(town, doomed) => {
                self.2.entry((town, doomed.at.timestamp_millis(), doomed.device)).or_insert(doomed);
            }
        }
    }

    fn text(&self) -> String {
        let ended = self.1.iter().map(|((town, ..), ended)| ended_line(*town, ended));
        let doomed = self.2.iter().map(|((town, ..), doomed)| doomed_line(*town, doomed));
        self.iter().map(|(town, erased)| line(town, erased)).chain(ended).chain(doomed).collect()
    }
}

impl Extend<(AreaId, Erased)> for List {
    fn extend<I: IntoIterator<Item = (AreaId, Erased)>>(&mut self, more: I) {
        for (town, erased) in more {
            self.0.entry((town, erased.record)).or_insert(erased);
        }
    }
}

fn line(town: AreaId, erased: &Erased) -> String {
    let mut line = String::new();
    // Writing into a String cannot fail.
    writeln!(line, "{} {town} {} {} .", erased.record, erased.kind.code(), erased.at.timestamp_millis()).ok();
    line
}

fn ended_line(town: AreaId, ended: &Ended) -> String {
    let Ended { record, kind, part, field, at, by, dot, epoch, edits } = ended;
    let (kind, part, at) = (kind.code(), part.code(), at.timestamp_millis());
    let mut line = format!("{record} {town} {kind} {at} {part} {field} {} {} {epoch} {by}", dot.slot.0, dot.n);
    for edit in edits {
        write!(line, " {edit}").ok();
    }
    line.push_str(" .\n");
    line
}

fn doomed_line(town: AreaId, Doomed { device, fate, at }: &Doomed) -> String {
    format!("{device} {town} {TERMINAL} {} {} .\n", at.timestamp_millis(), fate.code())
}

fn parse_doomed(text: &str) -> Option<Line> {
    let mut words = text.split_ascii_whitespace();
    let device = words.next()?.parse().ok()?;
    let town = AreaId(words.next()?.parse().ok()?);
    let at = DateTime::from_timestamp_millis(words.nth(1)?.parse().ok()?)?;
    let fate = Fate::from_code(words.next()?)?;
    (words.next()? == "." && words.next().is_none()).then_some(Line::Doomed(town, Doomed { device, fate, at }))
}

fn parse(text: &str) -> Option<Line> {
    let mut words = text.split_ascii_whitespace();
    if words.clone().nth(2) == Some(TERMINAL) {
        return parse_doomed(text);
    }
    let record: RecordId = words.next()?.parse().ok()?;
    let town = AreaId(words.next()?.parse().ok()?);
    let kind = RecordKind::from_code(words.next()?)?;
    let at = DateTime::from_timestamp_millis(words.next()?.parse().ok()?)?;
    let next = words.next()?;
    if next == "." {
        return words.next().is_none().then_some(Line::Erased(town, Erased { record, kind, at }));
    }
    let part = Part::from_code(next)?;
    let field = words.next()?.to_owned();
    let dot = Dot { slot: Slot(words.next()?.parse().ok()?), n: words.next()?.parse().ok()? };
    let epoch = words.next()?.parse().ok()?;
    let by = words.next()?.parse().ok()?;
    let mut edits = BTreeSet::new();
    loop {
        match words.next()? {
            "." => break,
            id => edits.insert(id.parse().ok()?),
        };
    }
    let ended = Ended { record, kind, part, field, at, by, dot, epoch, edits };
    words.next().is_none().then_some(Line::Ended(town, ended))
}

/// Reads a list; none where there is no file.
pub fn read(path: &Path) -> Result<Option<List>, ListError> {
    let bytes = match disk::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut list = List::default();
    for (place, text) in text.lines().enumerate().filter(|(_, text)| text.trim_end().ends_with('.')) {
        list.put(parse(text).ok_or(ListError::Line(place + 1))?);
    }
    Ok(Some(list))
}

/// Writes a whole list into a folder that nobody uses yet. An empty one is not written.
pub fn write(folder: &Path, list: &List) -> io::Result<()> {
    if list.is_empty() { Ok(()) } else { disk::replace(&folder.join(ERASED), list.text().as_bytes()) }
}

/// Appends records; on the disk when this returns.
pub fn append(data: &Path, more: &[(AreaId, Erased)]) -> io::Result<()> {
    add(data, more.iter().map(|(town, erased)| line(*town, erased)).collect())
}

/// Appends parts; on the disk when this returns.
pub fn append_ended(data: &Path, more: &[(AreaId, Ended)]) -> io::Result<()> {
    add(data, more.iter().map(|(town, ended)| ended_line(*town, ended)).collect())
}

/// Appends a terminal; on the disk when this returns.
pub fn append_doomed(data: &Path, town: AreaId, doomed: &Doomed) -> io::Result<()> {
    add(data, doomed_line(town, doomed))
}

fn add(data: &Path, lines: String) -> io::Result<()> {
    let path = data.join(ERASED);
    if !disk::exists(&path)? {
        match disk::create_new(&path, b"") {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    // Begins with a line of its own, whatever a crash left.
    let text = format!("\n{lines}");
    for _ in 0..ATTEMPTS {
        match disk::append(&path, disk::len(&path)?, text.as_bytes()) {
            Ok(()) => return Ok(()),
            Err(disk::AppendError::Io(error)) => return Err(error),
            // Another process was faster.
            Err(disk::AppendError::Offset(_) | disk::AppendError::Locked) => std::thread::yield_now(),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Brings the list that lies beside the backups up to the data folder's. An empty one says that there was nobody.
pub fn copy_beside(data: &Path, backups: &Path) -> io::Result<()> {
    let mut list = read(&data.join(ERASED)).map_err(io::Error::other)?.unwrap_or_default();
    if let Some(known) = read(&backups.join(ERASED)).map_err(io::Error::other)? {
        list.join(known);
    }
    disk::replace(&backups.join(ERASED), list.text().as_bytes())
}

#[cfg(test)]
mod tests {
    use shared::outside::Outside as _;

    use super::*;
    use crate::system::System;

    #[test]
    fn a_line_cut_off_by_a_crash_takes_nothing_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = |n: i64| Erased {
            record: RecordId(System.uuid()),
            kind: RecordKind::Person,
            at: DateTime::from_timestamp_millis(n).unwrap(),
        };
        let (first, second) = (one(1), one(2));
        append(folder.path(), &[(AreaId(2), first)]).unwrap();
        let path = folder.path().join(ERASED);
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend(b"018f7a3c-");
        std::fs::write(&path, torn).unwrap();
        append(folder.path(), &[(AreaId(2), second), (AreaId(9), first)]).unwrap();
        let list = read(&path).unwrap().unwrap();
        let expected = [(AreaId(2), first), (AreaId(2), second), (AreaId(9), first)];
        assert!(list.len() == 3 && expected.iter().all(|(town, it)| list.iter().any(|got| got == (*town, it))));
        let ended = Ended {
            record: first.record,
            kind: first.kind,
            part: Part::Restricted,
            field: "care_until".to_owned(),
            at: first.at,
            by: shared::ids::EditId(System.uuid()),
            dot: Dot { slot: Slot(77), n: 3 },
            epoch: 2,
            edits: BTreeSet::from([shared::ids::EditId(System.uuid()), shared::ids::EditId(System.uuid())]),
        };
        append_ended(folder.path(), &[(AreaId(2), ended.clone())]).unwrap();
        let list = read(&path).unwrap().unwrap();
        assert_eq!((list.len(), list.ended(AreaId(2)), list.ended(AreaId(9))), (3, vec![ended], vec![]));
        let doomed = Doomed { device: DeviceId(System.uuid()), fate: Fate::Stolen, at: first.at };
        append_doomed(folder.path(), AreaId(2), &doomed).unwrap();
        let list = read(&path).unwrap().unwrap();
        assert_eq!((list.len(), list.doomed(AreaId(2)), list.doomed(AreaId(9))), (3, vec![doomed], vec![]));
        write(folder.path(), &list).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), list, "the whole of it written anew");
        std::fs::write(&path, "not an id 2 person 5 .\n").unwrap();
        assert!(matches!(read(&path), Err(ListError::Line(1))), "what is no list is not taken for an empty one");
    }
}
