//! What `object_store` lacks when its own HTTP and cryptography are left out, which would bring HTTP/2 into every program and
//! a second build of `ring`: requests by the client the server has anyway, signatures by the hashes it has anyway.

use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac as _};
use http_body_util::BodyExt as _;
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, HttpClient, HttpConnector, HttpError, HttpErrorKind,
    HttpRequest, HttpResponse, HttpResponseBody, HttpService, Signer, SigningAlgorithm,
};
use object_store::{ClientConfigKey, ClientOptions, Error, Result};
use sha2::{Digest as _, Sha256};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a request may take: 8 MB at 3 Mbit/s.
const REQUEST: Duration = Duration::from_secs(25);

/// Makes clients.
#[derive(Debug)]
pub struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        // Where a program links several providers none is the default by itself.
        rustls::crypto::ring::default_provider().install_default().ok();
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let client = reqwest::Client::builder()
            .https_only(!plain)
            // A signature is for one address.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .build()
            .map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(Client(client)))
    }
}

#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = http::Request::from_parts(parts, reqwest::Body::from(body));
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let response: http::Response<reqwest::Body> = self.0.execute(request).await.map_err(failed)?.into();
        let (parts, body) = response.into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failed))))
    }
}

fn failed(error: reqwest::Error) -> HttpError {
    let kind = match () {
        () if error.is_connect() => HttpErrorKind::Connect,
        () if error.is_timeout() => HttpErrorKind::Timeout,
        () if error.is_builder() => HttpErrorKind::Unknown,
        // The line broke before an answer or in it.
        () => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error.without_url())
}

/// SHA-256 and HMAC for signatures.
#[derive(Debug)]
pub struct Crypto;

impl CryptoProvider for Crypto {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Summing { sum: Sha256::new(), done: Vec::new() })),
            _ => Err(not_needed()),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let sum = Hmac::<Sha256>::new_from_slice(secret)
                    .map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
                Ok(Box::new(Summing { sum, done: Vec::new() }))
            }
            _ => Err(not_needed()),
        }
    }

    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> Result<Box<dyn Signer>> {
        Err(not_needed())
    }
}

fn not_needed() -> Error {
    Error::NotSupported { source: "S3 signs with HMAC-SHA-256".into() }
}

struct Summing<T> {
    sum: T,
    done: Vec<u8>,
}

impl DigestContext for Summing<Sha256> {
    fn update(&mut self, data: &[u8]) {
        sha2::Digest::update(&mut self.sum, data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.done = self.sum.clone().finalize().to_vec();
        Ok(&self.done)
    }
}

impl HmacContext for Summing<Hmac<Sha256>> {
    fn update(&mut self, data: &[u8]) {
        self.sum.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.done = self.sum.clone().finalize().into_bytes().to_vec();
        Ok(&self.done)
    }
}
