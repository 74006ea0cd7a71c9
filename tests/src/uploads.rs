//! A phone that speaks tus by hand to a real server, so that a request can break off in its middle.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jpeg_encoder::{ColorType, Encoder};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use reqwest::{Client, Method, RequestBuilder, Response};
use sha2::{Digest as _, Sha256};
use shared::ids::PhotoHash;
use shared::limits::PROTOCOL;
use shared::wire::{EnrolAnswer, EnrolRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::centre::Centre;

/// A photo of some 300 kB, another for each seed.
pub fn photo(seed: u64) -> Result<Vec<u8>> {
    const SIDE: u16 = 600;
    let mut pixels = vec![0; usize::from(SIDE) * usize::from(SIDE)];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut pixels);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 92).encode(&pixels, SIDE, SIDE, ColorType::Luma).context("encoding a photo")?;
    Ok(jpeg)
}

/// An enrolled phone.
pub struct Phone {
    /// Its credential.
    pub token: String,
    http: Client,
}

/// A request under way.
pub struct Line(TcpStream);

impl Phone {
    /// Enrols one for somebody.
    pub async fn enrol(centre: &Centre, login: &str) -> Result<Self> {
        // Another test of the process may have been faster.
        rustls::crypto::ring::default_provider().install_default().ok();
        // Servers are killed beneath it: no connection is used twice.
        let http = Client::builder().pool_max_idle_per_host(0).build()?;
        let request = EnrolRequest {
            keys: Vec::new(),
            protocol: PROTOCOL,
            code: centre.code(login).await?,
            name: "测试机".to_owned(),
            app: "0.1.0".to_owned(),
            before: None,
        };
        let answer = http.post(format!("{}/api/v1/enrol", centre.url())).json(&request).send().await?;
        let answer: EnrolAnswer = answer.error_for_status()?.json().await?;
        Ok(Self { token: answer.token, http })
    }

    /// The name of a photo.
    pub fn hash(photo: &[u8]) -> PhotoHash {
        PhotoHash::from_bytes(&Sha256::digest(photo).into())
    }

    fn request(&self, centre: &Centre, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", centre.url()));
        request.bearer_auth(&self.token).header("tus-resumable", "1.0.0")
    }

    /// Begins an upload; gives its path.
    pub async fn begin(&self, centre: &Centre, photo: &[u8]) -> Result<String> {
        let metadata = format!("hash {}", STANDARD.encode(Self::hash(photo).as_str()));
        let request = self.request(centre, Method::POST, "/api/v1/photos");
        let request = request.header("upload-length", photo.len()).header("upload-metadata", metadata);
        let answer = request.send().await?.error_for_status()?;
        let location = answer.headers().get("location").context("a location")?;
        Ok(location.to_str()?.to_owned())
    }

    /// How far an upload came.
    pub async fn stands_at(&self, centre: &Centre, upload: &str) -> Result<Response> {
        Ok(self.request(centre, Method::HEAD, upload).send().await?)
    }

    /// Says that all from `offset` to `length` comes, and sends nothing of it yet.
    pub async fn patch(&self, centre: &Centre, upload: &str, offset: usize, length: usize) -> Result<Line> {
        let address: SocketAddr = centre.url().trim_start_matches("http://").parse()?;
        let head = format!(
            "PATCH {upload} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\n\
             content-type: application/offset+octet-stream\r\nupload-offset: {offset}\r\ncontent-length: {}\r\n\r\n",
            self.token,
            length - offset
        );
        let mut line = Line(TcpStream::connect(address).await?);
        line.send(head.as_bytes()).await?;
        Ok(line)
    }

    /// Looks whether the server gives a photo back as it was sent, and keeps it once.
    pub async fn has_it_whole_and_once(&self, centre: &Centre, photo: &[u8]) -> Result<()> {
        let path = format!("/api/v1/photos/{}", Self::hash(photo));
        let answer = self.request(centre, Method::GET, &path).send().await?.error_for_status()?;
        ensure!(answer.bytes().await? == photo, "the server gives other bytes back");
        let mut files = Vec::new();
        for folder in disk::list(&centre.data.join("blobs/photos"))? {
            files.extend(disk::list(&folder.path)?);
        }
        ensure!(files.len() == 1, "it is stored once: {files:?}");
        Ok(())
    }
}

impl Line {
    /// Sends some of the body.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes).await?)
    }

    /// The head of the answer.
    pub async fn answer(&mut self) -> Result<String> {
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains("\r\n\r\n") {
            ensure!(self.0.read_buf(&mut all).await? > 0, "closed after {}", String::from_utf8_lossy(&all));
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}
