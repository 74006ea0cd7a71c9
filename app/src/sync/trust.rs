//! By what a handheld takes a server for the centre's: a key it was told of, or a certificate that its system trusts.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, Utc};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use shared::key_pin::{Certificate, KeyPin};

use super::TransportError;

/// By what the server is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// A certificate for the address that the system trusts.
    System,
    /// One of these keys, whatever the address.
    Keys(Vec<KeyPin>),
    /// The key that the check digits typed with a one-time code go with.
    Code {
        /// The one-time code.
        code: String,
        /// The check digits.
        check: String,
    },
}

impl Trust {
    /// That of an enrolment with these pins.
    pub fn of(pins: &[KeyPin]) -> Self {
        if pins.is_empty() { Self::System } else { Self::Keys(pins.to_vec()) }
    }

    /// How connections are made, where the system keeps what it trusts in `roots`; `None`: as the system does it.
    pub(super) fn config(&self, roots: &[PathBuf]) -> Result<Option<ClientConfig>, Error> {
        if *self == Self::System && roots.is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let config = if *self == Self::System {
            config.with_root_certificates(kept_in(roots))
        } else {
            let verifier = Arc::new(ByKey { trust: self.clone(), provider });
            config.dangerous().with_custom_certificate_verifier(verifier)
        };
        Ok(Some(config.with_no_client_auth()))
    }

    fn takes(&self, pin: &KeyPin) -> bool {
        match self {
            Self::System => false,
            Self::Keys(pins) => pins.contains(pin),
            Self::Code { code, check } => pin.check_digits(code) == *check,
        }
    }
}

/// The certificates of the first of these folders that has any: files of PEM. One that cannot be read is passed over.
fn kept_in(folders: &[PathBuf]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for folder in folders {
        let files = disk::list(folder).unwrap_or_default().into_iter().filter(|entry| !entry.is_folder);
        for bytes in files.filter_map(|entry| disk::read(&entry.path).ok()) {
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten());
        }
        if !roots.is_empty() {
            break;
        }
    }
    if roots.is_empty() {
        tracing::warn!("the system's certificates were not found: only a centre that is known by its key is reached");
    }
    roots
}

/// Knows the server by its key. The name is not looked at: the key says who it is. That the server has the key, the
/// signature of the handshake shows.
#[derive(Debug)]
struct ByKey {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = Certificate::read(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        // The key first: what a stranger's certificate says of dates is nobody's business.
        if !self.trust.takes(&certificate.pin) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let at = |date: DateTime<Utc>| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(date.timestamp().try_into().unwrap_or(0)))
        };
        let (not_before, not_after) = (at(certificate.from), at(certificate.until));
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong with the encryption, if it was that.
pub(super) fn refused(error: &(dyn std::error::Error + 'static)) -> Option<TransportError> {
    Some(match tls_error(error)? {
        Error::InvalidCertificate(why) => match why {
            CertificateError::ApplicationVerificationFailure => TransportError::WrongKey,
            CertificateError::ExpiredContext { time, not_after } => {
                TransportError::Ended { until: day(*not_after), today: day(*time) }
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                TransportError::NotYet { from: day(*not_before), today: day(*time) }
            }
            other => TransportError::Untrusted(format!("{other:?}")),
        },
        Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => TransportError::NoTls,
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        )
        | Error::InvalidMessage(rustls::InvalidMessage::UnknownProtocolVersion)
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => TransportError::OldTls,
        _ => return None,
    })
}

fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error names as its source what lies behind the error in it, and skips that.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The day in China.
fn day(time: UnixTime) -> String {
    let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let date = date.zip(FixedOffset::east_opt(8 * 3_600)).map(|(date, here)| date.with_timezone(&here).date_naive());
    date.map(|date| date.to_string()).unwrap_or_default()
}
