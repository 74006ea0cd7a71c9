//! The intake and the centre as programs: killed in the middle of things, and over TLS with certificates of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::author::Role;
use shared::outside::Outside;
use sync_server::intake::pull::{PullError, Puller, round, round_noted};
use sync_server::intake::wire::{Ask, Told};
use sync_server::system::System;
use sync_server::tls::keep::{self, Wanted};
use tokio::sync::mpsc;

use crate::common::desk::*;
use crate::common::intake::*;
use crate::common::program::Program;
use crate::common::*;
use crate::intake::{events, tray};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// With what the program `intake` is started.
struct Setup {
    folder: String,
    share: PathBuf,
}

impl Setup {
    fn of(public: &Public) -> Self {
        let share = public.key.path().join("intake.share");
        std::fs::write(&share, serde_json::to_vec(&public.share).unwrap()).unwrap();
        Self { folder: text(public.folder.path()).to_owned(), share }
    }

    fn start(&self, more: &[&str]) -> Program {
        let args = ["intake", "--data", &self.folder, "--share", text(&self.share), "--listen", "127.0.0.1:0"];
        Program::start(&[&args[..], more].concat())
    }
}

/// The real clock, a minute ago: a form that was opened then was not filled in by a program.
struct MinuteAgo;

impl Outside for MinuteAgo {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        System.now() - TimeDelta::minutes(1)
    }

    fn fill(&self, bytes: &mut [u8]) {
        System.fill(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_killed_while_people_report_has_whatever_it_said_it_received() {
    const PEOPLE: usize = 6;
    let centre = Centre::open().await;
    let mut public = Public::of(&centre).await;
    let told = Setup::of(&public);
    let stamp = public.intake.watch.stamp(&MinuteAgo);
    let (numbers, mut received) = (AtomicUsize::new(0), Vec::new());
    for _ in 0..4 {
        let program = told.start(&["--behind-proxy"]);
        public.url.clone_from(&program.url);
        let (answered, mut answers) = mpsc::unbounded_channel();
        let stopped = AtomicBool::new(false);
        let person = async |answered: mpsc::UnboundedSender<String>| {
            loop {
                let n = numbers.fetch_add(1, Ordering::SeqCst);
                let text = format!("第{n}号反映");
                let mut report = Filled::new(&text);
                report.address = format!("10.1.{}.{}", n / 250, n % 250);
                report.photos = vec![telephone_jpeg()];
                match public.try_post(&report, &stamp).await {
                    Ok(response) if response.status() == StatusCode::SEE_OTHER => answered.send(text).unwrap(),
                    // The line broke: whoever sent it was told nothing.
                    _ if stopped.load(Ordering::SeqCst) => return,
                    Ok(response) => panic!("{}", response.status()),
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let kill = async {
            let mut said = Vec::new();
            while said.len() < 9 {
                said.push(answers.recv().await.unwrap());
            }
            stopped.store(true, Ordering::SeqCst);
            program.kill();
            said
        };
        let people = futures_util::future::join_all((0..PEOPLE).map(|_| person(answered.clone())));
        let (said, _) = tokio::join!(kill, people);
        received.extend(said);
        while let Ok(text) = answers.try_recv() {
            received.push(text);
        }
    }
    let program = told.start(&["--behind-proxy"]);
    public.url.clone_from(&program.url);
    let fetched = public.fetch(&centre).await;
    public.fetch(&centre).await;
    let mut here: Vec<String> = events(&centre).into_iter().map(|(_, title)| title).collect();
    here.extend(
        tray(&centre).iter().map(|it| {
            serde_json::from_str::<serde_json::Value>(&it.body).unwrap()["text"].as_str().unwrap().to_owned()
        }),
    );
    println!("{} were said to be received, {fetched} lay there", received.len());
    for text in &received {
        assert_eq!(here.iter().filter(|it| *it == text).count(), 1, "{text}");
    }
    here.sort();
    let all = here.len();
    here.dedup();
    assert_eq!((here.len(), all), (all, fetched), "each once");
}

/// Stands between the centre and the intake, and tells of each request before it is passed on.
struct Between {
    to: String,
    http: reqwest::Client,
    /// Whether the centre has reports and wants to say so: then it is killed, and this request goes nowhere.
    kills: AtomicBool,
    asked: mpsc::UnboundedSender<(usize, usize)>,
}

async fn between(State(way): State<Arc<Between>>, headers: axum::http::HeaderMap, body: String) -> Response {
    let ask: Ask = serde_json::from_str(&body).unwrap();
    if !ask.received.is_empty() && way.kills.swap(false, Ordering::SeqCst) {
        way.asked.send((ask.received.len(), 0)).unwrap();
        return std::future::pending().await;
    }
    let request = way.http.post(format!("{}/pull", way.to)).header("authorization", &headers["authorization"]);
    let answer = request.body(body).send().await.unwrap();
    let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
    let told: Told = serde_json::from_slice(&bytes).unwrap();
    way.asked.send((ask.received.len(), told.reports.len())).unwrap();
    (status, bytes).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_killed_between_fetching_and_saying_so_has_each_report_once() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    for (n, text) in ["路灯坏了", "井盖松了", "见 https://example.cn"].into_iter().enumerate() {
        public.report(&Filled { address: format!("192.0.2.{n}"), ..Filled::new(text) }).await;
    }
    let (asked, mut asks) = mpsc::unbounded_channel();
    let (to, http) = (public.url.clone(), centre.http.clone());
    let way = Arc::new(Between { to, http, kills: AtomicBool::new(true), asked });
    let router = axum::Router::new().route("/pull", axum::routing::post(between)).with_state(way);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    // From here on the folder is the program's.
    let Centre { app, clock, folder, .. } = centre;
    drop(app);
    let key = public.key.path().join("intake.key");
    let args = ["--listen", "127.0.0.1:0", "--intake", &url, "--intake-key", text(&key), "--intake-every", "1m"];
    let serve = || Program::start(&[&["serve", "--data", text(folder.path())], &args[..]].concat());
    let program = serve();
    assert_eq!(asks.recv().await.unwrap(), (0, 3), "they are handed over");
    let durable = loop {
        if let (durable @ 1.., _) = asks.recv().await.unwrap() {
            break durable;
        }
    };
    assert_eq!(durable, 3);
    program.kill();
    let program = serve();
    let (mut came, mut said) = (0, 0);
    while said < 3 {
        let (received, waiting) = asks.recv().await.unwrap();
        (came, said) = (came.max(waiting), said + received);
    }
    assert_eq!(came, 3, "all of them came again");
    program.kill();
    let centre = Centre::over(folder, clock, |_| {}).await;
    assert_eq!((events(&centre).len(), tray(&centre).len()), (2, 1));
    assert_eq!(public.fetch(&centre).await, 0, "the intake was told");
}

/// A key with a certificate for this machine, and the certificate alone, as it is carried to the centre.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let wanted = Wanted { names: vec!["127.0.0.1".to_owned()], now: System.now(), days: 30 };
    keep::init(folder, &wanted).unwrap();
    let whole = folder.join("tls.pem");
    let pem = std::fs::read_to_string(&whole).unwrap();
    let alone = folder.join("intake.pem");
    std::fs::write(&alone, &pem[pem.find("-----BEGIN CERTIFICATE").unwrap()..]).unwrap();
    assert!(!std::fs::read_to_string(&alone).unwrap().contains("PRIVATE"));
    (whole, alone)
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_come_over_tls_from_the_intake_whose_certificate_is_believed_and_from_no_other() {
    let centre = Centre::open().await;
    let public = Public::of(&centre).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    public.report(&Filled::new("路灯坏了")).await;
    let (told, folders) = (Setup::of(&public), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let [(whole, right), (_, other)] = folders.each_ref().map(|folder| certificate(folder.path()));
    let program = told.start(&["--tls-cert", text(&whole), "--tls-key", text(&whole)]);
    assert!(program.url.starts_with("https://"), "{}", program.url);
    let key = public.key.path().join("intake.key");
    let puller = |url: &str, certificate: Option<&Path>| Puller::open(url, &key, certificate).unwrap();

    // Another certificate, and one that no authority issued: nothing comes, and staff read why.
    for wrong in [Some(&*other), None] {
        let failed = round(&centre.app, &puller(&program.url, wrong)).await.unwrap_err();
        assert!(matches!(failed, PullError::Certificate(_)), "{failed:?}");
        assert!(failed.to_string().contains("nothing was sent to it"));
    }
    round_noted(&centre.app, &puller(&program.url, Some(&other))).await;
    let page = Desk::logged_in(&centre, "staff").await.page("/console").await;
    assert!(page.contains("出示的证书不是认定的那一张，所以什么都没有发给它"), "{page}");
    assert!(events(&centre).is_empty());
    // Who poses as the intake hears nothing, not even the secret: the handshake ends before.
    let posing = sync_server::tls::Tls::open(folders[1].path(), None, Vec::new()).unwrap().now().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(posing.config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let poser = puller(&url, Some(&right));
    let heard = async { acceptor.accept(listener.accept().await.unwrap().0).await.is_ok() };
    let (went, heard) = tokio::join!(round(&centre.app, &poser), heard);
    assert!(matches!(went, Err(PullError::Certificate(_))) && !heard, "{went:?}");

    round_noted(&centre.app, &puller(&program.url, Some(&right))).await;
    assert_eq!(events(&centre).len(), 1);
    let page = Desk::logged_in(&centre, "staff").await.page("/console").await;
    assert!(!page.contains("没有取到手机反映"), "{page}");
}
