//! TLS: the certificate this server shows, and the pins of keys by which handhelds know it.
//!
//! Beside the database lie `tls.pem`, the key and the certificate in one file, so that both change at once, and `tls-next.key`,
//! a key that is announced and not in use yet. A town's own certificate lies where it wishes.

pub mod cli;
pub mod keep;
pub mod listener;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::key_pin::{Certificate, KeyPin};

/// Key and certificate made by `cert init`.
pub const OWN: &str = "tls.pem";
/// A key that is announced and not in use yet.
pub const NEXT: &str = "tls-next.key";
/// How long before its end a certificate is spoken of.
pub const ENDS_SOON: TimeDelta = TimeDelta::days(30);

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no PEM of what it should.
    #[error(
        "{path} holds no {what} in PEM; put it back from where it came or from a backup, or move it away and make one anew"
    )]
    Pem {
        /// Which.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] shared::key_pin::BadCertificate),
    /// The key is not the certificate's, or of a kind that TLS does not use.
    #[error("key and certificate do not go together: {0}")]
    Mismatch(#[from] rustls::Error),
    /// A key of ours cannot be used, or a name is none.
    #[error("cannot make the certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// There is one, which is not overwritten.
    #[error("{0} is there already; `cert renew` makes a new certificate for the same key, `cert next` another key")]
    Exists(PathBuf),
    /// There is none.
    #[error("there is no {0}; `cert init` makes a certificate, `cert next` the next key")]
    None(PathBuf),
}

/// What goes into handshakes.
#[derive(Clone)]
pub struct Shown {
    /// How connections are encrypted.
    pub config: Arc<ServerConfig>,
    /// What stands in the certificate.
    pub certificate: Certificate,
    /// The files it was read from.
    bytes: Vec<Vec<u8>>,
}

/// Whom handhelds take this server for.
pub struct Tls {
    /// The certificate's file and the key's; none where TLS is not spoken here.
    files: Option<(PathBuf, PathBuf)>,
    /// Where the next key lies, if there is one.
    next: PathBuf,
    /// Pins told by who runs the server: of a proxy in front, or of a key that is to come.
    told: Vec<KeyPin>,
    /// As last read. The next key's pin is beside it.
    shown: Mutex<(Option<Shown>, Option<KeyPin>)>,
}

impl Tls {
    /// That of the data folder `data`, if it has a certificate, or of `own`: the files of a certificate and of its key.
    /// `told` are pins beside theirs.
    pub fn open(data: &Path, own: Option<(PathBuf, PathBuf)>, told: Vec<KeyPin>) -> Result<Self, TlsError> {
        let made = data.join(OWN);
        let there = disk::exists(&made).map_err(|source| TlsError::File { path: made.clone(), source })?;
        let files = own.or_else(|| there.then(|| (made.clone(), made)));
        let tls = Self { files, next: data.join(NEXT), told, shown: Mutex::default() };
        tls.read()?;
        Ok(tls)
    }

    /// That of the data folder, whatever state it is in: no command but `serve` and `enrol-code`, which [`Self::open`] it, is
    /// to fail because of it.
    pub fn of_folder(data: &Path) -> Self {
        let made = data.join(OWN);
        let files = disk::exists(&made).unwrap_or(true).then(|| (made.clone(), made));
        let tls = Self { files, next: data.join(NEXT), told: Vec::new(), shown: Mutex::default() };
        if let Err(error) = tls.read() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the certificate cannot be used");
        }
        tls
    }

    /// Whether TLS is spoken here.
    pub fn is_spoken(&self) -> bool {
        self.files.is_some()
    }

    /// What goes into the next handshake: the files as they are now. Files that do not go together, because somebody is
    /// just changing them, leave it as it was.
    pub fn now(&self) -> Option<Shown> {
        if let Err(error) = self.read() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the certificate's files cannot be used; the earlier one is shown"
            );
        }
        self.shown().0.clone()
    }

    /// The certificate that is shown.
    pub fn certificate(&self) -> Option<Certificate> {
        self.shown().0.as_ref().map(|shown| shown.certificate.clone())
    }

    /// The certificate that is shown, if it ends soon or has ended.
    pub fn ending(&self, now: DateTime<Utc>) -> Option<Certificate> {
        self.certificate().filter(|certificate| certificate.until - now < ENDS_SOON)
    }

    /// The pins handhelds are told: of the key in use, or the first that was told; then those that may come.
    pub fn pins(&self) -> Vec<KeyPin> {
        let shown = self.shown();
        let mut pins = Vec::new();
        let own = shown.0.as_ref().map(|shown| shown.certificate.pin);
        for pin in own.into_iter().chain(shown.1).chain(self.told.iter().copied()) {
            if !pins.contains(&pin) {
                pins.push(pin);
            }
        }
        pins
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, (Option<Shown>, Option<KeyPin>)> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<(), TlsError> {
        let Some((certificate, key)) = &self.files else { return Ok(()) };
        let next = keep::next_pin(&self.next)?;
        let bytes = vec![keep::bytes(certificate)?, keep::bytes(key)?];
        let mut shown = self.shown();
        shown.1 = next;
        if shown.0.as_ref().is_none_or(|shown| shown.bytes != bytes) {
            shown.0 = Some(load(certificate, key, bytes)?);
        }
        Ok(())
    }
}

fn load(certificate: &Path, key: &Path, bytes: Vec<Vec<u8>>) -> Result<Shown, TlsError> {
    let none = |path: &Path, what| TlsError::Pem { path: path.to_owned(), what };
    let (of_chain, of_key) =
        (bytes.first().map_or(&[][..], Vec::as_slice), bytes.last().map_or(&[][..], Vec::as_slice));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(of_chain).collect();
    let chain = chain.map_err(|_| none(certificate, "certificate"))?;
    let first = chain.first().ok_or_else(|| none(certificate, "certificate"))?;
    let read = Certificate::read(first)?;
    let key = PrivateKeyDer::from_pem_slice(of_key).map_err(|_| none(key, "private key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Shown { config: Arc::new(config), certificate: read, bytes })
}
