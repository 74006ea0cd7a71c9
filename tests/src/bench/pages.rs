//! The console's pages over HTTP, on a township of 72,000 residents and 100,000 events.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use super::table::{Line, Times, millis, ratio};
use crate::centre::{Centre, day};
use crate::township::{PASSWORD, Size, Township, code, fill as township_fill};

/// How often each page is asked for.
const TIMES: usize = 100;
/// What a page may take.
const GOAL: Duration = Duration::from_millis(200);

/// A clerk at the console, without a browser.
pub struct Clerk {
    http: Client,
    url: String,
    cookie: String,
}

impl Clerk {
    /// Logs somebody in.
    pub async fn log_in(url: &str, login: &str) -> Result<Self> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = Client::builder().redirect(Policy::none()).build()?;
        let mut clerk = Self { http, url: url.to_owned(), cookie: String::new() };
        let given = clerk.send("/console/login", &[("login", login), ("password", PASSWORD)]).await?;
        let cookie = given.headers().get(SET_COOKIE).context("no cookie")?.to_str()?;
        clerk.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let first = clerk.get("/console").await?;
        if first.headers().get(LOCATION).is_some_and(|to| to == "/console/login/second") {
            #[allow(clippy::disallowed_methods, reason = "a code is of the real hour")]
            let digits = code(login, chrono::Utc::now());
            let page = clerk.page("/console/login/second").await?;
            let token = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
            let fields = [("csrf", token.unwrap_or_default()), ("code", digits.as_str())];
            let given = clerk.send("/console/login/second", &fields).await?;
            if let Some(cookie) = given.headers().get(SET_COOKIE) {
                clerk.cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
            }
        }
        Ok(clerk)
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Result<Response> {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.http.post(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        Ok(request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&")).send().await?)
    }

    async fn get(&self, path: &str) -> Result<Response> {
        Ok(self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie).send().await?)
    }

    async fn page(&self, path: &str) -> Result<String> {
        let response = self.get(path).await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status == StatusCode::OK, "{path}: {status}");
        Ok(text)
    }

    /// How long a page takes.
    pub async fn times(&self, path: &str) -> Result<Times> {
        let mut times = Times::default();
        self.page(path).await?;
        for _ in 0..TIMES {
            let start = Instant::now();
            self.page(path).await?;
            times.add(start.elapsed());
        }
        Ok(times)
    }
}

/// Every page of staff, and that of a leader.
pub async fn run(dir: &Path, small: bool) -> Result<Vec<Line>> {
    let data = dir.join("pages");
    let folder = data.clone();
    let size = if small { Size::small() } else { Size { events: 1_516, ..Size::full() } };
    let town = tokio::task::spawn_blocking(move || {
        let township = Township::new(11, day(), size)?;
        township_fill::fill(&township, &folder, std::sync::Arc::new(sync_server::system::System))?;
        anyhow::Ok(township)
    })
    .await??;
    let centre = Centre::open(&data).await?;
    let clerk = Clerk::log_in(&centre.url(), "staff").await?;
    let floor = clerk.times("/console/style.css").await?.p99();
    let first = |page: &str, before: &str| -> Option<String> {
        page.split(before).nth(1).and_then(|rest| rest.split('"').next()).map(|rest| format!("{before}{rest}"))
    };
    let event = first(&clerk.page("/console/events").await?, "/console/records/").context("an event")?;
    let people = clerk.page("/console/records?kind=person").await?;
    let person = first(people.split("<tbody>").nth(1).unwrap_or_default(), "/console/records/").context("a person")?;
    let grid = town.grids.first().copied().context("a grid")?;
    let paths = [
        "/console".to_owned(),
        "/console?map=red".to_owned(),
        "/console/inbox".to_owned(),
        "/console/inbox/new".to_owned(),
        "/console/events".to_owned(),
        "/console/events?category=dispute&by=closed&from=2026-01-01".to_owned(),
        "/console/events?light=red".to_owned(),
        format!("/console/events?area={grid}"),
        "/console/events?page=1500".to_owned(),
        "/console/report".to_owned(),
        "/console/report?from=2026-01&to=2026-12".to_owned(),
        "/console/records".to_owned(),
        "/console/records?page=2000".to_owned(),
        format!("/console/records?kind=person&area={grid}"),
        "/console/records?q=张伟".to_owned(),
        "/console/records?q=王".to_owned(),
        "/console/records?q=1391".to_owned(),
        "/console/records?q=没有这个名字".to_owned(),
        event.clone(),
        format!("{event}/merge"),
        person.clone(),
        format!("{person}/merge"),
        "/console/to-decide".to_owned(),
        "/console/campaigns".to_owned(),
        "/console/batches".to_owned(),
        "/console/terminals".to_owned(),
        "/console/quarantine".to_owned(),
        "/console/audit".to_owned(),
    ];
    let mut lines = Vec::new();
    for path in paths {
        let times = clerk.times(&path).await?;
        let named =
            path.replace(&event, "/console/records/(an event)").replace(&person, "/console/records/(a resident)");
        lines.push(line(&named, &times, floor));
    }
    // The leader of a community, on the telephone.
    let leader = Clerk::log_in(&centre.url(), "leader2").await?;
    for path in ["/console", "/console/inbox"] {
        lines.push(line(&format!("{path} of a community's leader"), &leader.times(path).await?, floor));
    }
    Ok(lines)
}

fn line(path: &str, times: &Times, floor: Duration) -> Line {
    Line {
        work: format!("page {path}"),
        ours: times.words(),
        floor: format!("the style sheet, p99 {}", millis(floor)),
        ratio: ratio(times.p99(), floor),
        goal: "p99 ≤ 200 ms at 72,000 residents and 100,000 events",
        met: Some(times.p99() <= GOAL),
    }
}
