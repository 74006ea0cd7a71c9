//! Databases as released versions left them: `fixtures/released`, see the README there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A centre and a handheld that belong together, in every schema version there is of them.
#[derive(Debug, Clone)]
pub struct Released {
    folder: PathBuf,
    /// Schema versions of the handheld's database, ascending.
    pub handhelds: Vec<u32>,
    /// Schema versions of the server's, ascending.
    pub servers: Vec<u32>,
}

impl Released {
    /// All of them.
    pub fn all() -> Result<Vec<Self>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/released");
        let mut all = Vec::new();
        for entry in fs::read_dir(&root).with_context(|| format!("reading {}", root.display()))? {
            let folder = entry?.path();
            if folder.is_dir() {
                let (handhelds, servers) = (versions(&folder, "handheld-")?, versions(&folder, "town-")?);
                all.push(Self { folder, handhelds, servers });
            }
        }
        all.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(all)
    }

    /// The first of them, which has version 1 of both.
    pub fn first() -> Result<Self> {
        Self::all()?.into_iter().next().context("a fixture")
    }

    /// Puts the handheld with a database of this version into a folder.
    pub fn handheld(&self, version: u32, to: &Path) -> Result<()> {
        copy(&self.folder.join("handheld"), to)?;
        fs::copy(self.folder.join(format!("handheld-{version}.db")), database(to)?)?;
        Ok(())
    }

    /// Puts the centre with a database of this version into a folder.
    pub fn server(&self, version: u32, to: &Path) -> Result<()> {
        copy(&self.folder.join("server"), to)?;
        fs::copy(self.folder.join(format!("town-{version}.db")), to.join("town.db"))?;
        Ok(())
    }
}

fn versions(folder: &Path, before: &str) -> Result<Vec<u32>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(before).and_then(|name| name.strip_suffix(".db"));
        versions.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    versions.sort_unstable();
    Ok(versions)
}

/// Where the database of the one user of a handheld lies.
pub fn database(handheld: &Path) -> Result<PathBuf> {
    let user = fs::read_dir(handheld.join("users"))?.next().context("a user")??;
    Ok(user.path().join("handheld.db"))
}

/// The database of the one user of a handheld, opened with its key.
pub fn open(handheld: &Path) -> Result<rusqlite::Connection> {
    let key = fs::read_dir(handheld.join("keys"))?.next().context("a key")??;
    open_with(&database(handheld)?, &fs::read(key.path())?)
}

/// A database opened with a raw key.
pub fn open_with(path: &Path, key: &[u8]) -> Result<rusqlite::Connection> {
    let sql = rusqlite::Connection::open(path)?;
    sql.execute_batch(&format!("PRAGMA key = \"x'{}'\"", hex(key)))?;
    Ok(sql)
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
