//! What the centre asks the intake, and what it is answered: one kind of request, always from inside.

use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use uuid::Uuid;

/// Where the centre asks.
pub const PULL: &str = "/pull";
/// The most bytes of such a request: the pages of a county.
pub const PULL_BYTES: usize = 8 * 1024 * 1024;
/// About so many bytes of reports an answer.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What `sync-server intake-key` makes for the intake. Whoever steals it opens no report.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// For whom reports are sealed, `age1…`.
    pub recipient: String,
    /// SHA-256 of the secret that the centre says when it fetches.
    pub secret_hash: [u8; 32],
}

/// One request of the centre.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ask {
    /// Reports that are durable at the centre: the intake puts them aside.
    pub received: Vec<Uuid>,
    /// The centre's epoch: in another one it was put back to a backup, and what it had fetched is handed to it again.
    #[serde(default)]
    pub epoch: u32,
    /// Reports that were erased, and the hashes of their tokens: the intake forgets both.
    #[serde(default)]
    pub forgotten: Vec<(Uuid, [u8; 32])>,
    /// What is told from now on, by the hash of the token.
    pub statuses: Vec<([u8; 32], u8)>,
    /// The pages of all grids, in place of those that were there.
    pub pages: Option<Vec<Page>>,
    /// Whether suspicious reports are wanted too: not while the tray is full.
    pub suspicious: bool,
}

/// The answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// Reports that wait; the same ones come again until they are said to be received.
    pub reports: Vec<Waiting>,
    /// SHA-256 of the pages that are shown, in hex.
    pub pages: String,
    /// Which folder answers: a new one knows no statuses.
    pub folder: Uuid,
    /// How full its file is, in percent.
    #[serde(default)]
    pub full: u8,
}

/// A report that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// Sealed for the centre, base64.
    pub sealed: String,
}

/// The page of a grid, as the town chose to publish it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Which grid.
    pub area: AreaId,
    /// The name of the town.
    pub town: String,
    /// The name of the grid, with its community.
    pub name: String,
    /// What lies in it.
    pub covers: String,
    /// What can be done there.
    pub does: String,
    /// Who is responsible.
    pub people: Vec<Person>,
    /// How many matters were settled there last month: a number, and nothing of what they were.
    #[serde(default)]
    pub settled: u64,
}

/// Somebody responsible, as the town chose to publish it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Name.
    pub name: String,
    /// 网格员, 网格长, …
    pub role: String,
    /// At work; may be empty.
    #[serde(default)]
    pub phone: String,
}
