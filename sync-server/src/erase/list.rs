//! `erased.list`: the ids of erased records, in the data folder and in no backup. Appended and on the disk before the
//! database forgets; read at each start. One line a record, `<id> <town> <kind> <milliseconds since 1970> .`; a line
//! without its dot was cut off by a crash before anything was erased.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use chrono::DateTime;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::RecordKind;

use crate::backup::ERASED;
use crate::store::Erased;

/// How often a list that another process is writing to is tried.
const ATTEMPTS: usize = 50;

/// Erased records by town and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(BTreeMap<(AreaId, RecordId), Erased>);

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
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its town, in order.
    pub fn iter(&self) -> impl Iterator<Item = (AreaId, &Erased)> {
        self.0.iter().map(|((town, _), erased)| (*town, erased))
    }

    fn text(&self) -> String {
        self.iter().map(|(town, erased)| line(town, erased)).collect()
    }
}

impl Extend<(AreaId, Erased)> for List {
    fn extend<I: IntoIterator<Item = (AreaId, Erased)>>(&mut self, more: I) {
        for (town, erased) in more {
            self.0.entry((town, erased.record)).or_insert(erased);
        }
    }
}

impl IntoIterator for List {
    type Item = (AreaId, Erased);
    type IntoIter = std::vec::IntoIter<(AreaId, Erased)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|((town, _), erased)| (town, erased)).collect::<Vec<_>>().into_iter()
    }
}

fn line(town: AreaId, erased: &Erased) -> String {
    let mut line = String::new();
    // Writing into a String cannot fail.
    writeln!(line, "{} {town} {} {} .", erased.record, erased.kind.code(), erased.at.timestamp_millis()).ok();
    line
}

fn parse(text: &str) -> Option<(AreaId, Erased)> {
    let mut words = text.split_ascii_whitespace();
    let record: RecordId = words.next()?.parse().ok()?;
    let town = AreaId(words.next()?.parse().ok()?);
    let kind = RecordKind::from_code(words.next()?)?;
    let at = DateTime::from_timestamp_millis(words.next()?.parse().ok()?)?;
    (words.next() == Some(".") && words.next().is_none()).then_some((town, Erased { record, kind, at }))
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
        list.extend([parse(text).ok_or(ListError::Line(place + 1))?]);
    }
    Ok(Some(list))
}

/// Writes a whole list into a folder that nobody uses yet. An empty one is not written.
pub fn write(folder: &Path, list: &List) -> io::Result<()> {
    if list.is_empty() { Ok(()) } else { disk::replace(&folder.join(ERASED), list.text().as_bytes()) }
}

/// Appends; on the disk when this returns.
pub fn append(data: &Path, more: &[(AreaId, Erased)]) -> io::Result<()> {
    let path = data.join(ERASED);
    if !disk::exists(&path)? {
        match disk::create_new(&path, b"") {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    // Begins with a line of its own, whatever a crash left.
    let text: String = more.iter().map(|(town, erased)| line(*town, erased)).collect();
    let text = format!("\n{text}");
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
        list.extend(known);
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
        std::fs::write(&path, "not an id 2 person 5 .\n").unwrap();
        assert!(matches!(read(&path), Err(ListError::Line(1))), "what is no list is not taken for an empty one");
    }
}
