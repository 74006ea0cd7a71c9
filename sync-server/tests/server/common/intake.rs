//! The intake beside a centre, and telephones that send it reports: over HTTP, as a browser does.

use std::sync::Arc;

use chrono::TimeDelta;
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode};
use sync_server::intake::cli::keys;
use sync_server::intake::pull::{Puller, round};
use sync_server::intake::wire::Share;
use sync_server::intake::{Intake, serve};
use tempfile::TempDir;

use super::{Centre, Clock};

/// The public process, in a folder of its own.
pub struct Public {
    pub intake: Arc<Intake>,
    pub url: String,
    pub folder: TempDir,
    pub share: Share,
    pub key: TempDir,
    clock: Arc<Clock>,
    http: Client,
}

impl Public {
    /// Set up for a centre; its grids are published.
    pub async fn of(centre: &Centre) -> Self {
        let (secret, share) = keys(&centre.app);
        let key = tempfile::tempdir().unwrap();
        std::fs::write(key.path().join("intake.key"), secret).unwrap();
        let public = Self::over(tempfile::tempdir().unwrap(), share, key, Arc::clone(&centre.clock)).await;
        public.fetch(centre).await;
        public
    }

    async fn over(folder: TempDir, share: Share, key: TempDir, clock: Arc<Clock>) -> Self {
        let mut intake = Intake::open(folder.path(), &share, clock.clone()).unwrap();
        intake.behind_proxy = true;
        intake.public_url = "https://report.example".to_owned();
        let intake = Arc::new(intake);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve::serve(Arc::clone(&intake), listener, std::future::pending()));
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { intake, url, folder, share, key, clock, http }
    }

    /// The process ended and was started again over its folder.
    pub async fn again(self) -> Self {
        let Self { folder, share, key, clock, .. } = self;
        Self::over(folder, share, key, clock).await
    }

    pub fn puller(&self) -> Puller {
        Puller::open(&self.url, &self.key.path().join("intake.key"), None).unwrap()
    }

    /// A round of the main server; says how many reports came.
    pub async fn fetch(&self, centre: &Centre) -> usize {
        round(&centre.app, &self.puller()).await.unwrap().reports
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    pub async fn page(&self, path: &str) -> String {
        let (status, text) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }

    /// Opens the form, reads it, fills it in and sends it; whatever the answer.
    pub async fn send(&self, report: &Filled<'_>) -> Response {
        let page = self.page(&format!("/r/{}", report.grid)).await;
        let stamp = page.split("name=\"stamp\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        self.clock.advance(TimeDelta::seconds(report.seconds));
        self.post(report, &stamp).await
    }

    /// Sends without opening the form.
    pub async fn post(&self, report: &Filled<'_>, stamp: &str) -> Response {
        self.try_post(report, stamp).await.unwrap()
    }

    /// The same, on a line that may break.
    pub async fn try_post(&self, report: &Filled<'_>, stamp: &str) -> reqwest::Result<Response> {
        let mut body = Vec::new();
        let mut fields = report.fields.clone();
        fields.push(("stamp", stamp));
        for (name, value) in fields {
            body.extend(
                format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        for photo in &report.photos {
            let head = "--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"IMG_1.jpg\"\r\n\
                        Content-Type: image/jpeg\r\n\r\n";
            body.extend(head.bytes());
            body.extend(photo);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        let request = self.http.post(format!("{}/r/{}", self.url, report.grid));
        let request = request.header("content-type", "multipart/form-data; boundary=edge");
        request.header("x-forwarded-for", report.address.clone()).body(body).send().await
    }

    /// Sends what is taken; returns the path of its status.
    pub async fn report(&self, report: &Filled<'_>) -> String {
        let response = self.send(report).await;
        let status = response.status();
        let to = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
        to.unwrap()
    }

    /// The word that stands large on the page of a status.
    pub async fn status(&self, path: &str) -> String {
        let page = self.page(path).await;
        page.split("class=\"status\" role=\"status\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
    }
}

/// A form as somebody filled it in.
pub struct Filled<'a> {
    pub grid: u32,
    pub fields: Vec<(&'a str, &'a str)>,
    pub photos: Vec<Vec<u8>>,
    pub address: String,
    /// From opening the page to sending it.
    pub seconds: i64,
}

impl<'a> Filled<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            grid: 11,
            fields: vec![("what", "hazard"), ("text", text)],
            photos: vec![],
            address: "198.51.100.7".to_owned(),
            seconds: 40,
        }
    }

    pub fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push((name, value));
        self
    }
}

/// A telephone's JPEG, 40 × 20 as stored and to be turned upright, with a place in its metadata.
pub fn telephone_jpeg() -> Vec<u8> {
    let mut plain = Vec::new();
    let pixels = image::RgbImage::from_fn(40, 20, |x, _| image::Rgb(if x < 20 { [200, 0, 0] } else { [0, 0, 200] }));
    image::codecs::jpeg::JpegEncoder::new(&mut plain).encode_image(&pixels).unwrap();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend(b"GPS 37.1854N 104.0633E");
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&plain[2..]);
    bytes
}
