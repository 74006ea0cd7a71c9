//! What a backup holds: every file with its length and SHA-256. It is written last; a folder without it is no backup.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;

use crate::store::AuditMark;

/// The name of the manifest's file.
pub const FILE: &str = "manifest.json";
/// The newest layout this program knows.
pub const VERSION: u32 = 1;

/// `manifest.json`. Keys are never renamed; new ones may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this layout, 1.
    pub version: u32,
    /// The version of the program that made it.
    pub program: String,
    /// The schema version of `town.db`.
    pub schema: u32,
    /// The epoch of the server it is of.
    pub epoch: u32,
    /// When it was begun, by the server's clock.
    pub at: DateTime<Utc>,
    /// Every file but this one, by path.
    pub files: Vec<FileEntry>,
    /// Where its photos are, if they are in no file of it: in a bucket, which keeps its own copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photos_in: Option<String>,
    /// The last entry of each town's audit. A backup lies elsewhere: `audit verify --backup` looks whether they still
    /// stand in the chains of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<NotedHead>,
}

/// The last entry of a town's audit when a backup was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedHead {
    /// Whose; 0 is above the towns.
    pub town: AreaId,
    /// `id:64 hexadecimal digits`
    #[serde(with = "as_text")]
    pub head: AuditMark,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::AuditMark;

    pub fn serialize<S: Serializer>(head: &AuditMark, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(head)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<AuditMark, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path in the backup, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl FileEntry {
    /// Where it lies; none for a path that leads out of the backup.
    pub fn within(&self, folder: &Path) -> Option<PathBuf> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\\');
        self.path.split('/').all(plain).then(|| folder.join(&self.path))
    }
}

impl Manifest {
    /// Reads it from a backup's folder.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let bytes = disk::read(&folder.join(FILE))?;
        serde_json::from_slice(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes it; durable when this returns.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        disk::replace(&folder.join(FILE), &text)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
