//! How requests reach the server: a trait, and HTTP over rustls behind it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::trust::{self, Trust};
use crate::platform::Boxed;

/// The verbs used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read the headers only (tus: how far an upload came).
    Head,
    /// Make or exchange.
    Post,
    /// Append (tus).
    Patch,
}

/// One request. Bodies are sent as they are: who builds the request compresses and says so in its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// Path and query below the server's address, beginning with `/`.
    pub path: String,
    /// Name (lower case) and value.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// After which the attempt counts as failed.
    pub timeout: Duration,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Name (lower case) and value.
    pub headers: Vec<(String, String)>,
    /// The body as received, still compressed if a header says so.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The request did not come back. Whether it arrived is unknown.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is none.
    #[error("{0} is no address of a server")]
    Address(String),
    /// The address asks for cleartext to another machine. Nothing was sent.
    #[error("the server's address {0} is not https")]
    Cleartext(String),
    /// Who answered does not speak TLS. Nothing was sent.
    #[error("no TLS is spoken there")]
    NoTls,
    /// Who answered speaks no TLS newer than 1.1. Nothing was sent.
    #[error("only old TLS is spoken there")]
    OldTls,
    /// Who answered has another key than the centre's. Nothing was sent.
    #[error("the server's key is not the one known")]
    WrongKey,
    /// The certificate has ended by this device's clock. Nothing was sent.
    #[error("the certificate ended on {until}, and here it is {today}")]
    Ended {
        /// Its last day.
        until: String,
        /// By this device's clock.
        today: String,
    },
    /// The certificate is not good yet by this device's clock. Nothing was sent.
    #[error("the certificate begins on {from}, and here it is {today}")]
    NotYet {
        /// Its first day.
        from: String,
        /// By this device's clock.
        today: String,
    },
    /// The certificate is not one that the system trusts for this address. Nothing was sent.
    #[error("the certificate is not trusted: {0}")]
    Untrusted(String),
    /// Switched to "no network".
    #[error("switched to no network")]
    Offline,
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is larger than anything the server sends.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Carries one request to one server.
///
/// Guarantees: on `Ok` the response is whole. On `Err` the server may or may not have seen the request.
pub trait Transport: Send + Sync {
    /// Sends and waits for the whole answer.
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>>;
}

/// Makes transports.
pub trait Connect: Send + Sync {
    /// A transport to the server at `address` (`https://…`, or `http://` on this machine), if it is known by `trust`.
    fn connect(&self, address: &str, trust: &Trust) -> Result<Arc<dyn Transport>, TransportError>;
}

/// HTTP/1.1 over rustls with ring; cleartext only to this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpConnect;

impl Connect for HttpConnect {
    fn connect(&self, address: &str, trust: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Http::new(address, trust, &[])?))
    }
}

/// The same on a system that keeps the certificates it trusts as files in one of these folders, and says so to nobody but programs
/// in Java: Android.
#[derive(Debug, Clone)]
pub struct FoldersConnect(pub Vec<PathBuf>);

impl Connect for FoldersConnect {
    fn connect(&self, address: &str, trust: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Http::new(address, trust, &self.0)?))
    }
}

/// The most bytes of one answer taken.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

struct Http {
    base: String,
    client: reqwest::Client,
}

impl Http {
    fn new(address: &str, trust: &Trust, roots: &[PathBuf]) -> Result<Self, TransportError> {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        PROVIDER.get_or_init(|| {
            // Fails only if somebody installed one before, which is as good.
            rustls::crypto::ring::default_provider().install_default().ok();
        });
        let refused = || TransportError::Address(address.to_owned());
        let url = reqwest::Url::parse(address.trim()).map_err(|_| refused())?;
        let loopback = match url.host() {
            Some(host) => {
                let host = host.to_string();
                host == "localhost"
                    || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(TransportError::Cleartext(address.to_owned())),
            _ => return Err(refused()),
        }
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true);
        if loopback {
            builder = builder.no_proxy();
        }
        match trust.config(roots) {
            Ok(Some(config)) => builder = builder.tls_backend_preconfigured(config),
            Ok(None) => {}
            Err(error) => return Err(TransportError::Broken(error.to_string())),
        }
        let client = builder.build().map_err(|error| TransportError::Broken(error.to_string()))?;
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), client })
    }
}

impl Transport for Http {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let method = match request.method {
                Method::Get => reqwest::Method::GET,
                Method::Head => reqwest::Method::HEAD,
                Method::Post => reqwest::Method::POST,
                Method::Patch => reqwest::Method::PATCH,
            };
            let mut builder =
                self.client.request(method, format!("{}{}", self.base, request.path)).timeout(request.timeout);
            for (name, value) in &request.headers {
                builder = builder.header(*name, value);
            }
            if !request.body.is_empty() {
                builder = builder.body(request.body);
            }
            let mut answer = builder.send().await.map_err(said)?;
            let headers = answer
                .headers()
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                .collect();
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(said)? {
                if body.len() + piece.len() > ANSWER_BYTES {
                    return Err(TransportError::TooLarge(ANSWER_BYTES));
                }
                body.extend_from_slice(&piece);
            }
            Ok(Response { status: answer.status().as_u16(), headers, body })
        })
    }
}

/// Without the address: it may hold an upload's secret id.
fn said(error: reqwest::Error) -> TransportError {
    if error.is_timeout() {
        return TransportError::TimedOut;
    }
    let error = error.without_url();
    if let Some(refused) = trust::refused(&error) {
        return refused;
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    TransportError::Broken(text)
}
