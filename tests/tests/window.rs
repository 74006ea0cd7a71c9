//! The desktop window as somebody uses it: enrolled, a resident recorded with fast keys, killed in the middle, found
//! again, delivered. `make test-window` installs what it needs and runs it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shared::record::RecordKind;
use tests::centre::Centre;
use tests::near::PIN;
use tests::story::{Kept, values};
use tests::window::{Screen, Window};

/// Nothing a keyboard under X has to be taught.
const ADDRESS: &str = "xianghe xiaoqu 9-2-402 the quick brown fox jumps over the lazy dog 0123456789";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs WebKitGTK and Xvfb: make test-window"]
async fn a_resident_is_recorded_in_the_window_and_no_key_is_lost() -> Result<()> {
    let desktop = PathBuf::from(std::env::var_os("DESKTOP").context("DESKTOP names the program `desktop`")?);
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    let screen = Screen::start().await?;
    let folder = dir.path().join("hand");
    let mut window = Window::open(&screen, &desktop, &folder).await?;

    window.on("enrol").await?;
    window.type_into("#enrol-server", &centre.url()).await?;
    window.type_into("#enrol-code", &centre.code("member1a").await?).await?;
    window.type_into("#enrol-pin", PIN).await?;
    window.type_into("#enrol-again", PIN).await?;
    window.press("[data-do=enrol]").await?;
    window.on("today").await?;
    window.press("[data-do=sync-line]").await?;
    delivered(&mut window).await?;

    window.press(".tabs [data-do=collect]").await?;
    window.press("[data-do=new-person]").await?;
    window.type_into("#f-name", "Zhou Wenbo").await?;
    window.type_into("#f-address", ADDRESS).await?;
    let typed = "document.querySelector('#f-address').value";
    window.until("every key", &format!("{typed} === {}", Value::from(ADDRESS))).await?;
    window
        .until("the draft", "[...document.querySelectorAll('.quiet')].some(e => e.innerText.includes('草稿已存'))")
        .await?;
    window.kill().await?;

    let mut window = Window::open(&screen, &desktop, &folder).await?;
    window.on("unlock").await?;
    window.type_into("#pin", PIN).await?;
    window.press("[data-do=unlock]").await?;
    // Where one was, with all that was typed.
    window
        .until(
            "what was typed",
            &format!("document.querySelector('#f-address') && {typed} === {}", Value::from(ADDRESS)),
        )
        .await?;
    window.press("[data-do=save]").await?;
    window.until("the record", "document.querySelector('#record')").await?;
    let id = window.ask("document.querySelector('#record').dataset.id").await?;
    let id = id.as_str().context("a record has an id")?.to_owned();

    window.press(".tabs [data-do=search]").await?;
    window.type_into("#search", "wenbo").await?;
    window.press(&format!("#results [data-record='{id}']")).await?;
    window.until("the record again", &format!("document.querySelector('#record[data-id=\"{id}\"]')")).await?;
    window.press(".nav [data-do=back]").await?;
    window.on("search").await?;
    ensure!(window.ask("document.querySelector('#search').value").await? == "wenbo", "the list lost its place");

    window.press(".tabs [data-do=today]").await?;
    window.press("[data-do=sync-line]").await?;
    delivered(&mut window).await?;
    let kept = Kept::open(&centre.data, township.town)?;
    assert_eq!(values(&kept.record(id.parse()?, RecordKind::Person)?, "address"), [ADDRESS]);
    window.kill().await?;
    screen.end().await
}

async fn delivered(window: &mut Window<'_>) -> Result<()> {
    window.until("a sync that is not running", "document.querySelector('[data-do=sync]:not([disabled])')").await?;
    window.press("[data-do=sync]").await?;
    window
        .until(
            "everything delivered",
            "document.querySelector('[data-do=sync]:not([disabled])') && \
             document.querySelector('[data-lamp=delivered][data-on=true]') && \
             document.querySelector('#sync-status[data-phase=idle]')",
        )
        .await
}
