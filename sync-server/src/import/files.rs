//! The files of an import, for nobody else to read: the table, what it would do, what became of it.

use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::report::{Change, Preview, Taken, Told};
use crate::AppState;

/// Seconds after which nothing of an import stays in its folder.
const KEPT: i64 = 7 * 86_400;

/// The folder of what is brought in.
pub fn folder(app: &AppState) -> PathBuf {
    app.data.join("imports")
}

/// The table itself.
pub fn file(app: &AppState, id: Uuid) -> PathBuf {
    folder(app).join(id.to_string())
}

pub(super) fn preview_file(app: &AppState, id: Uuid) -> PathBuf {
    folder(app).join(format!("{id}.preview"))
}

fn report_file(app: &AppState, id: Uuid) -> PathBuf {
    folder(app).join(format!("{id}.report"))
}

/// What a table would do, as it was looked through.
pub fn preview(app: &AppState, id: Uuid) -> Preview {
    let bytes = disk::read(&preview_file(app, id)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Hands over every row that is refused, doubtful or changed; nothing once the time of the files is over.
pub fn each_told(app: &AppState, id: Uuid, each: &mut dyn FnMut(Told) -> io::Result<()>) -> io::Result<()> {
    let file = match disk::File::open(&report_file(app, id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for line in BufReader::new(file).lines() {
        each(serde_json::from_str(&line?).map_err(io::Error::other)?)?;
    }
    Ok(())
}

/// Takes away what is older than its time. The names tell how old they are.
pub fn tidy(app: &AppState) -> io::Result<()> {
    let now = app.outside.now().timestamp();
    let listed = match disk::list(&folder(app)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in listed {
        let name = entry.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let id = name.split('.').next().and_then(|name| name.parse::<Uuid>().ok());
        let begun = id.and_then(|id| id.get_timestamp());
        if begun.is_some_and(|at| now.saturating_sub_unsigned(at.to_unix().0) > KEPT) {
            disk::remove(&entry.path)?;
        }
    }
    Ok(())
}

fn gone(path: &Path) -> io::Result<()> {
    match disk::remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Takes away the table, and what tells values of it.
pub fn drop_files(app: &AppState, id: Uuid) -> io::Result<()> {
    gone(&file(app, id))?;
    gone(&preview_file(app, id))
}

/// What is kept of a row in the report: where, what, why; nothing of its values.
fn bare(told: &Told) -> Option<Told> {
    let tells = told.taken == Taken::Changed || !told.notes.is_empty();
    let bare = |change: &Change| Change { old: String::new(), new: String::new(), ..change.clone() };
    tells.then(|| Told {
        title: String::new(),
        changes: told.changes.iter().map(bare).collect(),
        unknown: Vec::new(),
        ..told.clone()
    })
}

/// The report of an import, on its way to the disk.
pub(super) struct Out(BufWriter<disk::File>);

impl Out {
    /// At the end of what an earlier attempt wrote, or anew.
    pub fn open(app: &AppState, id: Uuid, go_on: bool) -> io::Result<Self> {
        disk::create_private_dir_all(&folder(app))?;
        let path = report_file(app, id);
        let file = if go_on && disk::exists(&path)? {
            let mut file = disk::File::edit(&path)?;
            let length = file.len()?;
            file.seek_to(length)?;
            file
        } else {
            gone(&path)?;
            disk::File::create(&path, disk::Access::Owner)?
        };
        Ok(Self(BufWriter::new(file)))
    }

    pub fn add(&mut self, told: &Told) -> io::Result<()> {
        let Some(bare) = bare(told) else { return Ok(()) };
        serde_json::to_writer(&mut self.0, &bare)?;
        self.0.write_all(b"\n")
    }

    pub fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}
