//! The app itself: which version there is to be had, and which is too old.

use serde::{Deserialize, Serialize};

/// What a handheld is told about the app. None of it keeps a version from delivering: that is for the protocol alone to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppOffer {
    /// The newest package; none: there is none to be had here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Package>,
    /// An older version than this is to be replaced at the next opportunity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<String>,
}

/// A package to install: `GET /api/v1/app/{sha256}`, in ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its version.
    pub version: String,
    /// Its length.
    pub bytes: u64,
    /// What it has to be, 64 hexadecimal digits.
    pub sha256: String,
}

impl AppOffer {
    /// The package, if it is newer than `version`.
    pub fn newer_than(&self, version: &str) -> Option<&Package> {
        self.newest.as_ref().filter(|package| numbers(&package.version) > numbers(version))
    }

    /// Whether `version` is to be replaced.
    pub fn is_too_old(&self, version: &str) -> bool {
        self.least.as_ref().is_some_and(|least| numbers(version) < numbers(least))
    }
}

/// A version as its numbers: 0.10 is later than 0.9.
pub fn numbers(version: &str) -> Vec<u64> {
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    numbers.map(|part| part.parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let offer = AppOffer {
            newest: Some(Package { version: "0.10.0".to_owned(), bytes: 1, sha256: String::new() }),
            least: Some("0.9.1".to_owned()),
        };
        assert!(offer.newer_than("0.9.9").is_some());
        assert!(offer.newer_than("0.10.0").is_none() && offer.newer_than("1.0.0").is_none());
        assert!(offer.is_too_old("0.9.0") && !offer.is_too_old("0.9.1") && !offer.is_too_old("0.10.0"));
        assert!(!AppOffer::default().is_too_old("0.0.1"));
    }
}
