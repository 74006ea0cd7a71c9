//! What a batch holds: counts and SHA-256 of every file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::ids::UserId;

/// The manifest, `manifest.json`. Keys are never renamed; new ones may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this layout, 1.
    pub version: u32,
    /// `2026-019`: year in 北京时间 and a running number of the town.
    pub number: String,
    /// The town.
    pub town: AreaId,
    /// The roots of what it holds, with their names.
    pub areas: BTreeMap<AreaId, String>,
    /// Sequence numbers after which it begins: open part, restricted part.
    pub after: (u64, u64),
    /// Sequence numbers up to which it goes.
    pub upto: (u64, u64),
    /// RFC 3339 in 北京时间.
    pub sealed_at: String,
    /// Who had it sealed.
    pub user: UserId,
    /// Whether numbers stand under their masks.
    pub masked: bool,
    /// Whether it holds restricted parts.
    pub restricted: bool,
    /// The language of headers and words.
    pub lang: String,
    /// The profile it was made by, for an upper platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Records by kind and status.
    pub counts: BTreeMap<String, Counts>,
    /// Every file.
    pub files: Vec<FileEntry>,
    /// Photos of its records that had not arrived when it was sealed; none where no photos were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photos_missing: Option<u64>,
    /// When the files went, because they held a record that was erased: RFC 3339 in 北京时间.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<String>,
}

/// How many records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Not in an earlier cut.
    pub new: u64,
    /// Changed since.
    pub changed: u64,
    /// Deleted.
    pub removed: u64,
    /// Left the area.
    pub gone: u64,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.new + self.changed + self.removed + self.gone
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the batch's folder.
    pub name: String,
    /// The kind of the records in it; `photo` of the photos, `workbook` of all kinds in one file, `area` of outlines.
    pub kind: String,
    /// `csv`, `ndjson`, `xlsx`, `geojson` or `zip`.
    pub format: String,
    /// Records in it (the header not counted), or photos.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The bytes of `manifest.json`.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|mut text| {
            text.push('\n');
            text
        })
    }

    /// Records in all.
    pub fn records(&self) -> u64 {
        self.counts.values().map(|counts| counts.total()).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
