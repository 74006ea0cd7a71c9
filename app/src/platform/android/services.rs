//! The traits of the platform, by way of [`Java`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::form::Position;
use shared::outside::Outside;
use zeroize::Zeroizing;

use super::java::{Arg, Java, JavaError};
use super::jni_table as table;
use crate::lock::Cost;
use crate::platform::{Boxed, Device, KeyStore, KeyStoreError, Line, Location, Network, Services};
use crate::sync::FoldersConnect;

/// Where Android keeps the certificates it trusts: since Android 14, and before.
const ROOTS: [&str; 2] = ["/apex/com.android.conscrypt/cacerts", "/system/etc/security/cacerts"];

/// The Android that this process runs on. Cheap to clone.
#[derive(Clone)]
pub struct Android(Arc<Java>);

impl Android {
    /// Looks around once; call it from `main`, see [`Java::of_this_process`].
    pub fn of_this_process() -> Result<Self, JavaError> {
        Ok(Self(Arc::new(Java::of_this_process()?)))
    }

    /// The folder of the handheld's files.
    pub fn folder(&self) -> Result<PathBuf, JavaError> {
        Ok(PathBuf::from(self.0.text(table::FOLDER, &[Arg::App])?).join("handheld"))
    }

    /// Everything of this device.
    pub fn services(&self) -> Result<Services, JavaError> {
        let no_backup = PathBuf::from(self.0.text(table::NO_BACKUP, &[Arg::App])?);
        Ok(Services {
            keys: Arc::new(self.clone()),
            pin_cost: Cost::USUAL,
            connect: Arc::new(FoldersConnect(ROOTS.map(PathBuf::from).to_vec())),
            location: Arc::new(self.clone()),
            network: Arc::new(self.clone()),
            device: Arc::new(self.clone()),
            no_backup: Some(no_backup),
        })
    }

    /// What is no more than a comfort: a refusal is noted and taken for `or`.
    fn or<T>(result: Result<T, JavaError>, or: T) -> T {
        result.unwrap_or_else(|error| {
            tracing::warn!(%error, "the system did not answer");
            or
        })
    }
}

impl KeyStore for Android {
    fn seal(&self, name: &str, secret: &[u8], _: &dyn Outside) -> Result<Vec<u8>, KeyStoreError> {
        let sealed =
            self.0.bytes(table::SEAL, &[Arg::Text(name), Arg::Bytes(secret)]).map_err(|error| io(name, error))?;
        sealed.ok_or_else(|| KeyStoreError::Damaged(name.to_owned()))
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
        let opened =
            self.0.bytes(table::OPEN, &[Arg::Text(name), Arg::Bytes(sealed)]).map_err(|error| io(name, error))?;
        opened.map(Zeroizing::new).ok_or_else(|| KeyStoreError::Missing(name.to_owned()))
    }

    fn remove(&self, name: &str) -> Result<(), KeyStoreError> {
        self.0.run(table::REMOVE, &[Arg::Text(name)]).map_err(|error| io(name, error))
    }
}

/// The key store of the system did not answer: it may the next time, unlike one that says that there is no such key.
fn io(name: &str, error: JavaError) -> KeyStoreError {
    KeyStoreError::Io { name: name.to_owned(), source: std::io::Error::other(error) }
}

impl Location for Android {
    fn fix(&self) -> Boxed<'_, Option<Position>> {
        let java = Arc::clone(&self.0);
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || java.doubles::<4>(table::FIX, &[Arg::App])).await;
            let [lat, lon, accuracy, at] = Self::or(asked.ok()?, None)?;
            #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole below 2^53")]
            let at = at as i64;
            Some(Position { lat, lon, accuracy, at })
        })
    }
}

impl Network for Android {
    fn line(&self) -> Line {
        // Where nobody knows, photos wait: that costs an evening, a bill costs more.
        let metered = Self::or(self.0.says(table::METERED, &[Arg::App]), true);
        if metered { Line::Metered } else { Line::Free }
    }
}

impl Device for Android {
    fn name(&self) -> String {
        Self::or(self.0.text(table::NAME, &[]), std::env::consts::OS.to_owned())
    }

    fn battery(&self) -> Option<u8> {
        let percent = Self::or(self.0.int(table::BATTERY, &[Arg::App]), -1);
        u8::try_from(percent).ok().filter(|percent| *percent <= 100)
    }

    fn share(&self, file: &Path, mime: &str) -> bool {
        file.to_str().is_some_and(|path| {
            Self::or(self.0.says(table::SHARE, &[Arg::App, Arg::Text(path), Arg::Text(mime)]), false)
        })
    }

    fn install(&self, package: &Path) -> bool {
        package.to_str().is_some_and(|path| Self::or(self.0.says(table::INSTALL, &[Arg::App, Arg::Text(path)]), false))
    }

    fn undelivered(&self, something: bool) {
        Self::or(self.0.run(table::UNDELIVERED, &[Arg::App, Arg::Flag(something)]), ());
    }

    fn forget_pictures(&self) {
        Self::or(self.0.run(table::FORGET_PICTURES, &[Arg::App]), ());
    }
}
