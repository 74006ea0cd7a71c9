//! A newer version of the app: offered once everything is delivered, fetched piece by piece, checked, handed to the system.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use shared::wire::Package;

use super::session::Inner;
use super::types::Message;
use super::{Handheld, SyncError};
use crate::store::StoreError;
use crate::sync::{self, Method, Pace, Refused};

/// This program.
const OWN: &str = env!("CARGO_PKG_VERSION");
/// For a piece.
const PIECE: Duration = Duration::from_secs(120);
/// No package has more bytes.
const MOST: u64 = 100 * 1024 * 1024;

/// A newer version that is to be had, or that this one is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The newer version; `None`: the centre has none to give, and this one is too old for it.
    pub version: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// How much of it is here.
    pub here: u64,
    /// The centre wants this version replaced.
    pub urgent: bool,
    /// Everything is delivered: only then is a version replaced.
    pub allowed: bool,
}

impl Handheld {
    /// What there is to be updated to; `None`: this version is the newest that the centre knows. Under 2 ms.
    pub fn update(&self) -> Result<Option<Update>, StoreError> {
        let session = self.0.session()?;
        let Some(offer) = session.setup().app.clone() else { return Ok(None) };
        let (package, urgent) = (offer.newer_than(OWN), offer.is_too_old(OWN));
        if package.is_none() && !urgent {
            return Ok(None);
        }
        let here = package.map(|package| self.0.here(package)).unwrap_or_default();
        Ok(Some(Update {
            version: package.map(|package| package.version.clone()),
            bytes: package.map(|package| package.bytes).unwrap_or_default(),
            here,
            urgent,
            allowed: self.lights()?.delivered,
        }))
    }

    /// Fetches it, as far as it is not here, and hands it to the system. What it says is for the user.
    pub async fn install_update(&self) -> Result<Message, SyncError> {
        let said = |refused| self.0.said(refused, None);
        let session = self.0.session()?;
        let offer = session.setup().app.clone().unwrap_or_default();
        let package =
            offer.newer_than(OWN).ok_or_else(|| said(Refused::of("update-none", "nothing is offered", false)))?;
        if !self.lights()?.delivered {
            return Err(said(Refused::of("update-not-delivered", "something is not delivered", true)));
        }
        let client = self.0.client(&session).map_err(said)?;
        let path = self.0.fetch_package(&client, package).await.map_err(said)?;
        let installing = self.0.services().device.install(&path);
        Ok(match installing {
            true => Message::of("update-installing"),
            false => Message::of("update-here").with("path", path.display()),
        })
    }
}

impl Inner {
    fn updates(&self) -> PathBuf {
        self.paths().root().join("updates")
    }

    fn package_path(&self, package: &Package) -> PathBuf {
        // The hash is of the server's making: nothing but its digits becomes part of a path.
        let hash: String = package.sha256.chars().filter(char::is_ascii_hexdigit).take(64).collect();
        self.updates().join(format!("{hash}.apk"))
    }

    fn here(&self, package: &Package) -> u64 {
        let path = self.package_path(package);
        disk::len(&path).or_else(|_| disk::len(&half(&path))).unwrap_or_default()
    }

    /// Removes packages that nobody installs any more.
    pub(super) fn tidy_updates(&self, offered: Option<&Package>) {
        let keep = offered.map(|package| self.package_path(package));
        for entry in disk::list(&self.updates()).unwrap_or_default() {
            let wanted = keep.as_ref().is_some_and(|keep| entry.path == *keep || entry.path == half(keep));
            if !wanted && let Err(error) = disk::remove(&entry.path) {
                tracing::debug!(%error, "an old package of the app could not be removed");
            }
        }
    }

    async fn fetch_package(&self, client: &sync::Client, package: &Package) -> Result<PathBuf, Refused> {
        let path = self.package_path(package);
        let disk_full = |error: std::io::Error| Refused::of("update-not-kept", error, true);
        self.tidy_updates(Some(package));
        if disk::len(&path).is_ok_and(|bytes| bytes == package.bytes) && self.is_whole(&path, package).await? {
            return Ok(path);
        }
        if package.bytes > MOST {
            return Err(Refused::of("sync-bad-answer", "no package has so many bytes", true));
        }
        disk::create_dir_all(&self.updates()).map_err(disk_full)?;
        let part = half(&path);
        if disk::len(&part).is_err() {
            disk::create_new(&part, b"").map_err(disk_full)?;
        }
        let mut pace = Pace::default();
        loop {
            let here = disk::len(&part).map_err(disk_full)?;
            if here >= package.bytes {
                break;
            }
            let until = (here + pace.piece() as u64 - 1).min(package.bytes - 1);
            let began = self.outside().since_boot();
            let headers = vec![("range", format!("bytes={here}-{until}"))];
            let path = format!("/api/v1/app/{}", package.sha256);
            let response = client.raw(Method::Get, path, headers, Vec::new(), PIECE).await;
            let response = response.inspect_err(|_| pace.broke())?;
            if response.status != 206 && response.status != 200 {
                return Err(Refused::from_response(&response));
            }
            let wanted = if response.status == 206 { until - here + 1 } else { package.bytes };
            if response.body.len() as u64 != wanted || (response.status == 200 && here > 0) {
                disk::remove(&part).map_err(disk_full)?;
                return Err(Refused::of("sync-bad-answer", "another part of the package than was asked for", true));
            }
            let took = self.outside().since_boot().saturating_sub(began).try_into().unwrap_or_default();
            pace.came_through(response.body.len(), Duration::from_millis(took));
            let (to, body) = (part.clone(), response.body);
            let kept = sync::blocking(move || disk::append(&to, here, &body)).await?;
            kept.map_err(|error| Refused::of("update-not-kept", format!("{error:?}"), true))?;
        }
        if !self.is_whole(&part, package).await? {
            disk::remove(&part).map_err(disk_full)?;
            return Err(Refused::of("update-not-verified", "the package came as something else", true));
        }
        disk::rename(&part, &path).map_err(disk_full)?;
        Ok(path)
    }

    async fn is_whole(&self, path: &Path, package: &Package) -> Result<bool, Refused> {
        let (path, wanted) = (path.to_owned(), package.sha256.clone());
        let digest = sync::blocking(move || digest(&path)).await?;
        let found = digest.map_err(|error| Refused::of("update-not-kept", error, true))?;
        Ok(found.eq_ignore_ascii_case(&wanted))
    }
}

fn half(path: &Path) -> PathBuf {
    path.with_extension("apk.part")
}

/// What a file is; read in pieces, for it is larger than a cheap handheld likes to hold.
fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = disk::File::open(path)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        let read = std::io::Read::read(&mut file, &mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
