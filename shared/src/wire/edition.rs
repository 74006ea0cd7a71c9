//! `GET /api/v1/edition`: what the town has published beside what comes with the program.

use serde::{Deserialize, Serialize};

/// Forms and calendar of the town, as files. [`super::Setup::edition`] names the one in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// Changes with anything in here.
    pub version: String,
    /// Every version published of every form, TOML; to be read beside those of the program. One that this program cannot
    /// read is passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<String>,
    /// In the place of the program's, TOML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
}
