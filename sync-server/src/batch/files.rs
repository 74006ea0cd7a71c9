//! The files of a batch: written aside, brought to the disk, then put in place under one rename.

use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use shared::record::RecordKind;

use super::manifest::FileEntry;
use super::{BatchError, Format, Sealed};
use crate::export::geojson;
use crate::export::xlsx::{Book, Column};

/// The name of the workbook.
const BOOK: &str = "batch.xlsx";
/// How often a folder is made anew that somebody took away between making and holding it.
const ATTEMPTS: usize = 10;

/// The files of a batch on their way.
pub struct Aside {
    folder: PathBuf,
    files: BTreeMap<(RecordKind, Format), Writing>,
    /// The workbook, and how many rows are in it.
    book: Option<(Book, u64)>,
    /// Its name.
    book_name: String,
    /// Files of another sort, complete.
    others: Vec<FileEntry>,
    kept: bool,
    /// Tells whoever clears up, in whatever process, that it is being made; none where folders have no locks.
    held: Option<disk::File>,
}

struct Writing {
    name: String,
    out: BufWriter<Hashing>,
    rows: u64,
}

impl Writing {
    fn begin(folder: &Path, name: String) -> Result<Self, BatchError> {
        let file = disk::File::create(&folder.join(&name), disk::Access::Owner);
        let file = file.map_err(BatchError::io("making a file"))?;
        let out = BufWriter::with_capacity(256 * 1024, Hashing { file, hash: Sha256::new(), bytes: 0 });
        Ok(Self { name, out, rows: 0 })
    }

    /// Brings it to the disk.
    fn end(self, kind: &str, format: &str) -> Result<FileEntry, BatchError> {
        let inner = self.out.into_inner().map_err(|error| error.into_error());
        let mut inner = inner.map_err(BatchError::io("writing a file"))?;
        inner.file.sync().map_err(BatchError::io("bringing a file to the disk"))?;
        Ok(FileEntry {
            name: self.name,
            kind: kind.to_owned(),
            format: format.to_owned(),
            rows: self.rows,
            bytes: inner.bytes,
            sha256: hex(&inner.hash.finalize()),
        })
    }
}

struct Hashing {
    file: disk::File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Aside {
    /// An empty folder beside the batches, held until what [`Self::seal`] gives is dropped.
    pub fn new(batches: &Path, id: uuid::Uuid) -> Result<Self, BatchError> {
        let folder = batches.join(format!(".aside-{id}"));
        let held = made(&folder).map_err(BatchError::io("making its folder"))?;
        Ok(Self {
            folder,
            files: BTreeMap::new(),
            book: None,
            book_name: BOOK.to_owned(),
            others: Vec::new(),
            kept: false,
            held,
        })
    }

    /// Where the rows of a kind and format go, by a name of its own or the usual one; `begin` writes the header of a fresh file.
    pub fn out(
        &mut self,
        kind: RecordKind,
        format: Format,
        name: Option<&str>,
        begin: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<&mut dyn Write, BatchError> {
        let writing = match self.files.entry((kind, format)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let usual = || format!("{}.{}", kind.code(), format.code());
                let mut writing = Writing::begin(&self.folder, name.map_or_else(usual, str::to_owned))?;
                begin(&mut writing.out).map_err(BatchError::io("writing a header"))?;
                entry.insert(writing)
            }
        };
        writing.rows += 1;
        Ok(&mut writing.out)
    }

    /// Gives the workbook another name.
    pub fn call_book(&mut self, name: &str) {
        name.clone_into(&mut self.book_name);
    }

    /// Adds a row to the workbook; `begin` gives the title of a fresh sheet and its columns.
    pub fn book_row(
        &mut self,
        kind: RecordKind,
        cells: &[String],
        begin: impl FnOnce() -> (String, Vec<Column>),
    ) -> Result<(), BatchError> {
        let (book, rows) = match &mut self.book {
            Some(book) => book,
            // In the folder of the batch: what is in it must not come to lie where others look.
            none => none.insert((Book::new(&self.folder).map_err(BatchError::io("beginning the workbook"))?, 0)),
        };
        book.row(kind, cells, begin).map_err(BatchError::io("writing a row"))?;
        *rows += 1;
        Ok(())
    }

    /// Adds a file that is not of records, such as that of the photos, written by `write`; `rows` of `kind` are in it.
    pub fn other(
        &mut self,
        name: &str,
        (kind, format): (&str, &str),
        rows: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), BatchError> {
        let mut writing = Writing { rows, ..Writing::begin(&self.folder, name.to_owned())? };
        write(&mut writing.out).map_err(BatchError::io("writing a file"))?;
        self.others.push(writing.end(kind, format)?);
        Ok(())
    }

    /// Brings everything to the disk and puts the folder in place. It is held there for as long as what is given back lives:
    /// no number names it yet.
    pub fn seal(mut self, place: &Path) -> Result<(Vec<FileEntry>, Option<disk::File>), BatchError> {
        let mut entries = Vec::with_capacity(self.files.len());
        for ((kind, format), mut writing) in std::mem::take(&mut self.files) {
            if format == Format::GeoJson {
                writing.out.write_all(geojson::END).map_err(BatchError::io("ending a file"))?;
            }
            entries.push(writing.end(kind.code(), format.code())?);
        }
        if let Some((book, rows)) = self.book.take() {
            let mut writing = Writing { rows, ..Writing::begin(&self.folder, std::mem::take(&mut self.book_name))? };
            book.save(&mut writing.out).map_err(BatchError::io("writing the workbook"))?;
            entries.push(writing.end("workbook", Format::Xlsx.code())?);
        }
        entries.append(&mut self.others);
        disk::sync_dir(&self.folder).map_err(BatchError::io("bringing its folder to the disk"))?;
        disk::rename(&self.folder, place).map_err(BatchError::io("putting its folder in place"))?;
        self.kept = true;
        Ok((entries, self.held.take()))
    }
}

/// Makes a folder and holds it.
fn made(folder: &Path) -> io::Result<Option<disk::File>> {
    for _ in 0..ATTEMPTS {
        disk::create_private_dir_all(folder)?;
        match disk::hold_dir(folder) {
            Ok(Some(held)) if disk::exists(folder)? => return Ok(Some(held)),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(None),
            // Somebody who clears up came between.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = disk::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, "an unfinished batch could not be cleared away");
        }
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The SHA-256 of a file, read in pieces: a batch may be larger than the memory.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(256 * 1024, disk::File::open(path)?);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

/// Checks every file against the manifest.
pub fn verify(sealed: &Sealed) -> Result<(), BatchError> {
    let number = || sealed.manifest.number.clone();
    for entry in &sealed.manifest.files {
        let sha256 = match sha256_of(&sealed.folder.join(&entry.name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BatchError::FilesGone(number())),
            other => other.map_err(BatchError::io("reading a file"))?,
        };
        if sha256 != entry.sha256 {
            return Err(BatchError::Damaged { number: number(), file: entry.name.clone() });
        }
    }
    Ok(())
}

/// Copies a sealed batch with its `manifest.json` to `out/<number>/`, each file aside first; returns that folder.
pub fn copy_out(sealed: &Sealed, out: &Path) -> Result<PathBuf, BatchError> {
    verify(sealed)?;
    let folder = out.join(&sealed.manifest.number);
    disk::create_private_dir_all(&folder).map_err(BatchError::io("making the folder it goes to"))?;
    for entry in &sealed.manifest.files {
        let bytes_from = sealed.folder.join(&entry.name);
        put(&folder, &entry.name, |file| {
            io::copy(&mut disk::File::open(&bytes_from)?, file)?;
            Ok(())
        })?;
    }
    let manifest = sealed.manifest.json()?;
    put(&folder, "manifest.json", |file| file.write_all(manifest.as_bytes()))?;
    Ok(folder)
}

fn put(folder: &Path, name: &str, write: impl FnOnce(&mut disk::File) -> io::Result<()>) -> Result<(), BatchError> {
    disk::replace_with(&folder.join(name), disk::Access::Owner, write).map_err(BatchError::io("writing a file"))
}
