//! Making keys and certificates (ECDSA over P-256, self-signed), and rolling them.

use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use shared::key_pin::{Certificate, KeyPin};

use super::{NEXT, OWN, TlsError};

/// A certificate is good from this long before it was made: clocks differ.
const BEFORE: TimeDelta = TimeDelta::days(1);

/// What a certificate is to say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// When it is made.
    pub now: DateTime<Utc>,
    /// For how many days.
    pub days: u32,
}

/// Makes a key and its certificate in the data folder; one that is there stays.
pub fn init(data: &Path, wanted: &Wanted) -> Result<Certificate, TlsError> {
    let path = data.join(OWN);
    let (pem, certificate) = make(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?, wanted)?;
    disk::create_dir_all(data).map_err(file(data))?;
    match disk::create_new(&path, pem.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(TlsError::Exists(path)),
        other => other.map(|()| certificate).map_err(file(&path)),
    }
}

/// Makes a new certificate for the key there is: its pin stays.
pub fn renew(data: &Path, wanted: &Wanted) -> Result<Certificate, TlsError> {
    let path = data.join(OWN);
    write(data, &key(&path)?, wanted)
}

/// Makes the next key, which is announced from now on and not in use yet; gives its pin.
pub fn next(data: &Path) -> Result<KeyPin, TlsError> {
    // Without one in use there is nothing it would follow.
    key(&data.join(OWN))?;
    let (path, key) = (data.join(NEXT), KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?);
    match disk::create_new(&path, key.serialize_pem().as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(TlsError::Exists(path)),
        other => other.map(|()| pin(&key)).map_err(file(&path)),
    }
}

/// Takes the next key into use, with a certificate of its own.
pub fn switch(data: &Path, wanted: &Wanted) -> Result<Certificate, TlsError> {
    let path = data.join(NEXT);
    let certificate = write(data, &key(&path)?, wanted)?;
    disk::remove(&path).and_then(|()| disk::sync_dir(data)).map_err(file(&path))?;
    Ok(certificate)
}

/// What stands in the certificate of the data folder.
pub fn read(data: &Path) -> Result<Certificate, TlsError> {
    let path = data.join(OWN);
    let der = CertificateDer::from_pem_slice(&bytes(&path)?);
    Ok(Certificate::read(&der.map_err(|_| TlsError::Pem { path, what: "certificate" })?)?)
}

/// The pin of the key that is announced, if one is.
pub fn next_pin(path: &Path) -> Result<Option<KeyPin>, TlsError> {
    match key(path) {
        Err(TlsError::None(_)) => Ok(None),
        other => Ok(Some(pin(&other?))),
    }
}

/// A file's bytes.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    disk::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => TlsError::None(path.to_owned()),
        _ => file(path)(source),
    })
}

fn key(path: &Path) -> Result<KeyPair, TlsError> {
    let none = || TlsError::Pem { path: path.to_owned(), what: "private key" };
    let text = String::from_utf8(bytes(path)?).map_err(|_| none())?;
    // The certificate may stand beside it.
    let der = rustls::pki_types::PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| none())?;
    Ok(KeyPair::try_from(&der)?)
}

fn pin(key: &KeyPair) -> KeyPin {
    KeyPin::of_key(&key.subject_public_key_info())
}

fn write(data: &Path, key: &KeyPair, wanted: &Wanted) -> Result<Certificate, TlsError> {
    let (path, (pem, certificate)) = (data.join(OWN), make(key, wanted)?);
    disk::replace_with(&path, disk::Access::Owner, |file| file.write_all(pem.as_bytes())).map_err(file(&path))?;
    Ok(certificate)
}

/// Key and certificate in PEM.
fn make(key: &KeyPair, wanted: &Wanted) -> Result<(String, Certificate), TlsError> {
    let mut params = CertificateParams::new(wanted.names.clone())?;
    params.not_before = SystemTime::from(wanted.now - BEFORE).into();
    params.not_after = SystemTime::from(wanted.now + TimeDelta::days(i64::from(wanted.days))).into();
    params.distinguished_name.remove(DnType::CommonName);
    if let Some(name) = wanted.names.first() {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let made = params.self_signed(key)?;
    Ok((format!("{}{}", key.serialize_pem(), made.pem()), Certificate::read(made.der())?))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::File { path: path.clone(), source }
}
