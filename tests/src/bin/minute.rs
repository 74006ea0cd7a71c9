//! `make minute`: a minute of a handheld in somebody's hands, and every stretch for which the thread of its screen was busy
//! longer than one picture of the display lasts. The window (Chromium here) is measured beside it.

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use serde::Deserialize;
use tests::browser::{Browser, Page};
use tests::centre::Centre;
use tests::cheap::Cheap;
use tests::picture::{Camera, scene};
use tests::screen::Hand;
use tests::township::Size;

/// One picture of the display, in milliseconds.
const PICTURE: f64 = 16.0;

/// A minute of a handheld in somebody's hands.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// A folder on a real disk; what is made lies in a new folder below it.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Whose handheld: `member1a` has one grid, `staff` the whole town.
    #[arg(long, default_value = "staff")]
    login: String,
    /// The small township: only to see that everything runs.
    #[arg(long)]
    small: bool,
    /// With an eighth of a processor and 512 MB for the app; the window has all it wants.
    #[arg(long)]
    cheap: bool,
}

/// As the preview tells it, in milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Stretch {
    wall: f64,
    processor: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    Browser::with(|browser| async move { spend(&browser, &options).await }).await
}

/// The minute as it goes on.
struct Minute {
    hand: Hand,
    begun: Instant,
    /// Steps with what was noted in each.
    told: Vec<(String, Vec<Stretch>)>,
    window: u32,
    window_peak: f64,
}

async fn spend(browser: &Arc<Browser>, options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.dir)?;
    let dir = tempfile::Builder::new().prefix("minute-").tempdir_in(&options.dir).context("making a folder")?;
    let size = if options.small { Size::small() } else { Size { residents: 50_600, ..Size::full() } };
    let (centre, _) = Centre::with_township_of(&dir.path().join("server"), size).await?;
    let mut cheap = options.cheap.then(Cheap::new);
    let hand = Hand::watched(browser, &dir.path().join("hand")).await?;
    let app = hand.pid().context("the preview runs")?;
    if let Some(cheap) = &mut cheap {
        cheap.take(app)?;
        println!("the app on a cheap handheld: {}", cheap.words());
    }
    let window = browser.pid().context("the browser runs")?;
    let (at_start, _) = family(window)?;
    let mut minute = Minute { hand, begun: Instant::now(), told: Vec::new(), window, window_peak: 0.0 };
    walk(&mut minute, &centre, &options.login, dir.path()).await?;
    let took = minute.begun.elapsed();
    minute.tell();
    let ((cpu, peak), (window_cpu, _)) = (tests::load::taken(app)?, family(window)?);
    println!("\n{:.0} s in all. The app: {cpu:.1} s of the processor, at most {peak:.0} MB.", took.as_secs_f64());
    println!(
        "The window: {:.1} s of the processor, at most {:.0} MB (each process's own and its share of what they have together).",
        window_cpu - at_start,
        minute.window_peak
    );
    Ok(())
}

impl Minute {
    /// Ends a step that was done.
    async fn did(&mut self, step: &str) -> Result<()> {
        // What comes after the page stands (a draft kept, a look noted) belongs to the step.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let noted: Vec<Stretch> = serde_json::from_str(&self.hand.stretches().await?)?;
        self.told.push((step.to_owned(), noted));
        self.window_peak = self.window_peak.max(family(self.window)?.1);
        Ok(())
    }

    fn tell(&self) {
        println!("| step | stretches above 2 ms | longest | above {PICTURE} ms, of it processor |");
        println!("| --- | --- | --- | --- |");
        let mut late = 0;
        for (step, noted) in &self.told {
            let longest = noted.iter().map(|stretch| stretch.wall).fold(0.0, f64::max);
            let above: Vec<String> = noted
                .iter()
                .filter(|stretch| stretch.wall > PICTURE)
                .map(|stretch| format!("{:.0} ({:.0})", stretch.wall, stretch.processor))
                .collect();
            late += above.len();
            let above = if above.is_empty() { "–".to_owned() } else { above.join(", ") };
            println!("| {step} | {} | {longest:.1} ms | {above} |", noted.len());
        }
        println!("\n{late} stretches above {PICTURE} ms.");
    }
}

/// What somebody does.
async fn walk(minute: &mut Minute, centre: &Centre, login: &str, dir: &Path) -> Result<()> {
    minute.did("the first page").await?;
    let page = minute.hand.page.clone();
    page.type_into("#enrol-server", &centre.url()).await?;
    page.type_into("#enrol-code", &centre.code(login).await?).await?;
    for field in ["#enrol-pin", "#enrol-again"] {
        page.type_into(field, tests::near::PIN).await?;
    }
    page.press("[data-do=enrol]").await?;
    minute.hand.on("today").await?;
    minute.did("enrolled").await?;
    minute.hand.sync().await?;
    minute.did("first fill, watched on 同步").await?;
    for (tab, page) in
        [("today", "today"), ("collect", "collect"), ("event", "events"), ("me", "me"), ("today", "today")]
    {
        minute.hand.tab(tab).await?;
        minute.hand.on(page).await?;
        minute.did(&format!("tab {tab}")).await?;
    }
    minute.hand.tab("search").await?;
    minute.hand.choose("kind", "person").await?;
    let people = "document.querySelector('#results .row') && !document.querySelector('#results .row > .i')";
    page.until("people", people).await?;
    minute.did("list of all people").await?;
    for _ in 0..4 {
        more(&page).await?;
    }
    minute.did("scrolled to the 250th").await?;
    for typed in ["王", "祥和", "zhangw", "138"] {
        page.type_into("#search", typed).await?;
        // Of one grid not everything is found.
        page.see("#results [data-record], #nothing").await?;
    }
    page.type_into("#search", "").await?;
    page.see("#results [data-record]").await?;
    minute.did("searched as typed, four times").await?;
    page.press("#results [data-record]").await?;
    page.see("#record").await?;
    minute.did("a person opened").await?;
    minute.hand.edit().await?;
    minute.did("the form opened").await?;
    page.type_into("#f-phone", "13800009001").await?;
    page.type_into("#f-note", "上门时不在家，邻居说傍晚回来").await?;
    minute.did("typed into two fields").await?;
    page.press("[data-do=save]").await?;
    page.see("#record").await?;
    minute.did("saved").await?;
    let shot = dir.join("shot.jpg");
    std::fs::write(&shot, scene(4_000, 3_000, Some(Camera { orientation: 6, gps: Some((37.62, 104.58)) }), 1)?)?;
    minute.hand.tab("today").await?;
    page.press("[data-do=report]").await?;
    page.see("#report").await?;
    minute.did("随手报 opened").await?;
    page.attach("#g-photos", &shot).await?;
    page.see("[data-photo] img").await?;
    minute.did("a 12-megapixel photo taken in").await?;
    minute.hand.choose("category", "hazard").await?;
    page.type_into("#f-title", "路口井盖松动").await?;
    page.press("[data-do=report-send]").await?;
    page.see("#reported").await?;
    minute.did("reported").await?;
    minute.hand.sync().await?;
    minute.did("synced").await?;
    minute.hand.at("/map").await?;
    minute.hand.on("map").await?;
    minute.did("the map").await?;
    minute.hand.at("/me").await?;
    page.press("[data-do=lock]").await?;
    minute.hand.unlock().await?;
    page.gone("#pin").await?;
    minute.did("locked, and the PIN given").await
}

/// The rows that follow, as soon as they stand.
async fn more(page: &Page) -> Result<()> {
    page.see("#results [data-record]").await?;
    let last = "[...document.querySelectorAll('#results [data-record]')].pop()?.dataset.record";
    let before = page.client.execute(&format!("return {last}"), vec![]).await?;
    page.press("[data-do=more]").await?;
    page.until("more rows", &format!("({last} ?? {before}) !== {before}")).await
}

/// CPU seconds of a process's children and theirs, and their memory now (MB; what several have in common shared out).
fn family(driver: u32) -> Result<(f64, f64)> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ended meanwhile is none.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or_default()).or_default().push(pid);
    }
    let (mut all, mut open) = (BTreeSet::new(), vec![driver]);
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if all.insert(*child) {
                open.push(*child);
            }
        }
    }
    let (mut cpu, mut memory) = (0.0, 0.0);
    for pid in all {
        cpu += tests::load::taken(pid).map_or(0.0, |(cpu, _)| cpu);
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let share = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        memory += share.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default() / 1024.0;
    }
    Ok((cpu, memory))
}
