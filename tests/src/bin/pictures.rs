//! `make pictures`: screenshots of every screen of the handheld (412 × 915), page of the console (1366 × 768 and 1920 × 1080) and public page (360 × 740 and A4), of
//! the small township. All go to `./pictures`; the few that the README shows also to `docs/pictures`.

#![allow(clippy::print_stdout, reason = "it says what it wrote")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::workflow::Stage;
use sync_server::auth::totp;
use tests::browser::{Browser, Page, Screen};
use tests::centre::Centre;
use tests::desk;
use tests::public::Public;
use tests::screen::Hand;
use tests::story::Kept;
use tests::township::Township;

/// Screenshots of every screen.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Where all of them go.
    #[arg(long, default_value = "pictures")]
    all: PathBuf,
    /// Only the pages of the console.
    #[arg(long)]
    console: bool,
    /// Only the public pages.
    #[arg(long)]
    public: bool,
    /// Where those of the README go.
    #[arg(long, default_value = "docs/pictures")]
    readme: PathBuf,
}

/// What the README shows.
const README: [&str; 7] = [
    "handheld-today",
    "handheld-form",
    "handheld-search",
    "handheld-map",
    "handheld-event",
    "handheld-review",
    "console-overview",
];

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    Browser::with(|browser| async move { take(&browser, &options).await }).await
}

struct Album<'a> {
    options: &'a Options,
}

impl Album<'_> {
    async fn keep(&self, page: &Page, name: &str) -> Result<()> {
        self.take(page, name, false).await
    }

    /// The whole page, however long.
    async fn keep_whole(&self, page: &Page, name: &str) -> Result<()> {
        self.take(page, name, true).await
    }

    async fn take(&self, page: &Page, name: &str, whole: bool) -> Result<()> {
        // Pictures arrive after the page; the window shows them before it is taken.
        page.until("all pictures shown", "[...document.images].every(image => image.complete)").await?;
        // The preview's own bar is no part of the handheld.
        page.client.execute("document.getElementById('frame')?.remove()", vec![]).await?;
        let png = small(&page.picture(whole).await?)?;
        put(&self.options.all.join(format!("{name}.png")), &png)?;
        if README.contains(&name) {
            put(&self.options.readme.join(format!("{name}.png")), &png)?;
        }
        println!("{name}.png  {} kB", png.len() / 1000);
        Ok(())
    }
}

/// The most bytes of a picture in the repository.
const MOST: usize = 100_000;

/// The same picture as a smaller PNG. One that stays large gets fewer shades, down to what still looks the same.
fn small(png: &[u8]) -> Result<Vec<u8>> {
    let mut picture = image::load_from_memory(png).context("reading a screenshot")?.to_rgb8();
    let mut smallest = png.to_vec();
    for bits in [8, 5, 4] {
        if bits < 8 {
            let steps = (1_u16 << bits) - 1;
            for channel in picture.iter_mut() {
                let level = (u16::from(*channel) * steps + 127) / 255;
                *channel = u8::try_from(level * 255 / steps).unwrap_or(u8::MAX);
            }
        }
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new_with_quality(
            &mut bytes,
            image::codecs::png::CompressionType::Best,
            image::codecs::png::FilterType::Adaptive,
        );
        image::DynamicImage::ImageRgb8(picture.clone()).write_with_encoder(encoder)?;
        if bytes.len() < smallest.len() {
            smallest = bytes;
        }
        if smallest.len() <= MOST {
            break;
        }
    }
    Ok(smallest)
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

async fn take(browser: &Arc<Browser>, options: &Options) -> Result<()> {
    let album = Album { options };
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    if !options.console && !options.public {
        handheld(browser, &album, dir.path(), &centre, &township).await.context("the handheld's screens")?;
    }
    if !options.public {
        console(browser, &album, &centre, &township).await.context("the console's pages")?;
    }
    public(browser, &album, dir.path(), &centre).await.context("the public pages")
}

/// The pages of the intake, on a small telephone and on paper.
async fn public(browser: &Arc<Browser>, album: &Album<'_>, dir: &Path, centre: &Centre) -> Result<()> {
    let public = Public::open(centre, &dir.join("intake"), AreaId(11)).await?;
    let page = browser.open(&public.at("/g/11"), Screen::Telephone).await?;
    for (lang, times, suffix) in
        [("zh-CN", 1.0, ""), ("zh-CN", 2.0, "-200"), ("en", 1.0, "-en"), ("en", 2.0, "-en-200")]
    {
        page.devtools("Network.enable", json!({})).await?;
        page.devtools("Network.setExtraHTTPHeaders", json!({ "headers": { "Accept-Language": lang } })).await?;
        page.text_size(times).await?;
        let keep = async |name: &str| {
            page.fits().await?;
            album.keep_whole(&page, &format!("public-{name}{suffix}")).await
        };
        page.resize(Screen::Telephone).await?;
        for (path, name) in
            [("/g/11", "grid"), ("/g/12", "grid-nobody"), ("/g/11/sign", "sign-telephone"), ("/s/none", "status-none")]
        {
            page.goto(&public.at(path)).await?;
            keep(name).await?;
        }
        page.goto(&public.at("/r/11")).await?;
        keep("form").await?;
        page.press(".choice").await?;
        page.type_into("#text", "三号楼楼道堆满杂物").await?;
        page.type_into("#place", "柳湾巷十二号").await?;
        let file = dir.join("nothing.jpg");
        std::fs::write(&file, "这不是照片")?;
        page.attach("input[type=file][multiple]", &file).await?;
        page.press("button.btn--main").await?;
        page.see("[role=alert]").await?;
        keep("refused").await?;
        page.press("button.btn--main").await?;
        page.see(".status").await?;
        keep("received").await?;
        let link = page.address().await?;
        public.tell(&link, 2).await?;
        page.goto(&link).await?;
        keep("status").await?;
        page.resize(Screen::Paper).await?;
        page.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await?;
        for name in ["sign", "badge"] {
            page.goto(&public.at(&format!("/g/11/{name}"))).await?;
            keep(name).await?;
        }
        page.devtools("Emulation.setEmulatedMedia", json!({ "media": "" })).await?;
    }
    Ok(())
}

/// Records of the first grid to be shown.
struct Subjects {
    /// Under way, with a photo.
    event: RecordId,
    /// Whose phone is 待核对.
    person: RecordId,
    /// Where they live.
    house: RecordId,
}

fn subjects(centre: &Centre, township: &Township) -> Result<Subjects> {
    let kept = Kept::open(&centre.data, township.town)?;
    let calendar = shared::calendar::Calendar::parse(assets::CALENDAR)?;
    let (mut event, mut open) = (None, None);
    for (id, state) in kept.open_parts(&township.first_grid())? {
        let part: shared::merge::PartState = serde_json::from_str(&state)?;
        let under_way = shared::workflow::fold(&part, &calendar).stage == Stage::Handling;
        if under_way && part.live_under("photos").count() > 0 {
            event.get_or_insert(id);
        }
        let house =
            shared::view::one(&part, "lives_at").leading().and_then(|write| write.value.as_text()?.parse().ok());
        if shared::view::one(&part, "phone").is_open()
            && let Some(house) = house
        {
            open.get_or_insert((id, house));
        }
    }
    let (person, house) = open.context("a person whose phone is to be decided")?;
    Ok(Subjects { event: event.context("an event under way")?, person, house })
}

async fn handheld(
    browser: &Arc<Browser>,
    album: &Album<'_>,
    dir: &Path,
    centre: &Centre,
    township: &Township,
) -> Result<()> {
    let subjects = subjects(centre, township)?;
    let hand = Hand::take_at(browser, &dir.join("hand"), "37.623500,104.583500,8").await?;
    album.keep(&hand.page, "handheld-enrol").await?;
    hand.enrol(centre, "member1a").await?;
    album.keep(&hand.page, "handheld-sync").await?;
    for (look, suffix) in LOOKS {
        for press in look {
            hand.at("/me").await?;
            hand.page.press(&format!("[data-do={press}]")).await?;
        }
        screens(&hand, album, &subjects, suffix).await.with_context(|| format!("handheld{suffix}"))?;
    }
    hand.at("/me").await?;
    hand.page.press("[data-do=lang-zh-CN]").await?;

    new_things(browser, album, dir, centre, township).await.context("what is new on a terminal")?;
    hand.at("/me").await?;
    hand.page.press("[data-do=lock]").await?;
    hand.on("unlock").await?;
    hand.page.press("[data-do=other]").await?;
    hand.enrol(centre, "leader1").await?;
    hand.at("/events").await?;
    hand.on("events").await?;
    album.keep(&hand.page, "handheld-leader").await?;
    hand.at("/map").await?;
    hand.page.see("[data-spot]").await?;
    album.keep(&hand.page, "handheld-leader-map").await?;
    hand.at("/me").await?;
    hand.page.press("[data-do=lock]").await?;
    hand.on("unlock").await?;
    hand.page.type_into("#pin", "918273").await?;
    hand.page.press("[data-do=unlock]").await?;
    hand.page.see("[data-problem=lock-wrong]").await?;
    hand.page.fits().await?;
    album.keep(&hand.page, "handheld-unlock").await
}

/// A web view that is too old, a code taken by the camera, and a newer version: as it waits and as it may be fetched.
async fn new_things(
    browser: &Arc<Browser>,
    album: &Album<'_>,
    dir: &Path,
    centre: &Centre,
    township: &Township,
) -> Result<()> {
    let hand = Hand::take(browser, &dir.join("new")).await?;
    hand.on("enrol").await?;
    let address = hand.page.address().await?;
    let usual = hand.page.client.execute("return navigator.userAgent", vec![]).await?;
    let old = "Mozilla/5.0 (Linux; Android 8.1.0; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/70.0.3538.110 \
               Mobile Safari/537.36";
    for (agent, name) in [(json!(old), Some("handheld-old-view")), (usual, None)] {
        hand.page.devtools("Emulation.setUserAgentOverride", json!({ "userAgent": agent })).await?;
        hand.page.goto(&address).await?;
        hand.on("enrol").await?;
        if let Some(name) = name {
            hand.page.see("#old-view").await?;
            album.keep(&hand.page, name).await?;
        }
    }
    let page = desk::log_in(browser, centre, "staff").await?;
    desk::make_code(&page, centre, township.account("member1a").context("the account")?.id).await?;
    let screen = dir.join("screen.png");
    std::fs::write(&screen, page.picture(true).await?)?;
    hand.page.attach("#p-scan", &screen).await?;
    hand.page.see("[data-scanned]").await?;
    hand.page.fits().await?;
    album.keep(&hand.page, "handheld-enrol-scanned").await?;

    let (data, apps) = (dir.join("newer"), dir.join("apps"));
    std::fs::create_dir_all(&apps)?;
    std::fs::write(apps.join("grid-handheld-9.10.0-release.apk"), vec![7; 18_300_000])?;
    drop(Centre::small(&data).await?);
    let options = ["--apps", &apps.to_string_lossy(), "--least-app", "9.0.0"];
    let newer = Centre::open_with(&data, "127.0.0.1:0", &options).await?;
    let hand = Hand::take(browser, &dir.join("newer-hand")).await?;
    hand.enrol(&newer, "a").await?;
    hand.page.see("#update").await?;
    hand.page.client.execute("document.getElementById('update').scrollIntoView({block: 'center'})", vec![]).await?;
    hand.page.fits().await?;
    album.keep(&hand.page, "handheld-update").await
}

/// How every screen is shown: what is pressed on 我的, and the end of the pictures' names.
const LOOKS: [(&[&str], &str); 4] = [
    (&["theme-light"], ""),
    (&["theme-dark"], "-dark"),
    (&["theme-light", "text-200"], "-200"),
    (&["text-100", "lang-en"], "-en"),
];

/// Every screen of a handheld as it looks now.
async fn screens(hand: &Hand, album: &Album<'_>, subjects: &Subjects, suffix: &str) -> Result<()> {
    let Subjects { event, person, house } = subjects;
    let keep = async |name: &str| {
        hand.page.fits().await?;
        album.keep(&hand.page, &format!("handheld-{name}{suffix}")).await
    };
    for (path, page) in [
        ("/", "today"),
        ("/visits", "visits"),
        ("/collect", "collect"),
        ("/search", "search"),
        ("/events", "events"),
        ("/report", "report"),
        ("/review", "review"),
        ("/tray", "tray"),
        ("/me", "me"),
        ("/pin", "pin"),
        ("/map", "map"),
    ] {
        hand.at(path).await?;
        hand.on(page).await?;
        if page == "search" {
            hand.page.type_into("#search", "w").await?;
            hand.page.see("[data-record]").await?;
        }
        if page == "map" {
            hand.page.press("[data-do=here]").await?;
            hand.page.see("#me-here").await?;
            hand.page.press("[data-spot]").await?;
            hand.page.see("#chosen").await?;
        }
        keep(page).await?;
    }
    for (id, name) in [(person, "person"), (event, "event"), (house, "place")] {
        hand.at(&format!("/record/{id}")).await?;
        hand.page.see(&format!("#record[data-id='{id}']")).await?;
        keep(name).await?;
    }
    for (work, of) in [("visit", person), ("inspection", house), ("patrol", house), ("meeting", house)] {
        let of = if matches!(work, "visit" | "inspection") { of.to_string() } else { "none".to_owned() };
        hand.at(&format!("/record-work/{work}/0196a7f0-0000-7000-8000-000000000001/{of}/none")).await?;
        hand.on("work").await?;
        keep(work).await?;
    }
    hand.at(&format!("/move/{person}")).await?;
    hand.on("move").await?;
    keep("move").await?;
    hand.at("/collect").await?;
    hand.page.press("[data-do=new-person]").await?;
    hand.page.type_into("#f-name", "周文博").await?;
    hand.page.type_into("#f-id_number", "629999198503140017").await?;
    hand.page.type_into("#f-phone", "1380000").await?;
    hand.page.press("#f-address").await?;
    keep("form").await
}

async fn console(browser: &Arc<Browser>, album: &Album<'_>, centre: &Centre, township: &Township) -> Result<()> {
    let Subjects { person, .. } = subjects(centre, township)?;
    let page = browser.open(&format!("{}/console/login", centre.url()), Screen::Desk).await?;
    album.keep(&page, "console-login").await?;
    let admin = desk::log_in(browser, centre, "admin").await?;
    for (path, name) in [
        ("/console/people", "console-people"),
        ("/console/areas", "console-areas"),
        ("/console/settings", "console-settings"),
        ("/console/forms", "console-forms"),
    ] {
        admin.goto(&format!("{}{path}", centre.url())).await?;
        for (screen, suffix) in [(Screen::Wide, "-wide"), (Screen::Desk, "")] {
            admin.resize(screen).await?;
            admin.fits().await?;
            album.keep(&admin, &format!("{name}{suffix}")).await?;
        }
    }
    // This gives the administrator another second factor.
    coming_in(browser, album, centre).await?;
    let page = desk::log_in(browser, centre, "staff").await?;
    let record = format!("/console/records/{person}");
    for (path, name) in [
        ("/console", "console-overview"),
        ("/console/inbox", "console-inbox"),
        ("/console/inbox/new", "console-new"),
        ("/console/events", "console-events"),
        ("/console/report", "console-report"),
        ("/console/imports", "console-imports"),
        ("/console/records", "console-records"),
        (record.as_str(), "console-record"),
        ("/console/to-decide", "console-to-decide"),
        ("/console/campaigns", "console-campaigns"),
        ("/console/batches", "console-batches"),
        ("/console/terminals", "console-terminals"),
        ("/console/quarantine", "console-quarantine"),
        ("/console/audit", "console-audit"),
        ("/console/me", "console-me"),
    ] {
        page.goto(&format!("{}{path}", centre.url())).await?;
        page.see("main").await?;
        for (screen, suffix) in [(Screen::Wide, "-wide"), (Screen::Desk, "")] {
            page.resize(screen).await?;
            page.fits().await?;
            album.keep(&page, &format!("{name}{suffix}")).await?;
        }
    }
    let leader = desk::log_in(browser, centre, "leader1").await?;
    leader.resize(Screen::Handheld).await?;
    for (path, name) in [
        ("/console", "overview"),
        ("/console/inbox", "inbox"),
        ("/console/events", "events"),
        ("/console/records", "records"),
        (record.as_str(), "record"),
    ] {
        leader.goto(&format!("{}{path}", centre.url())).await?;
        leader.fits().await?;
        album.keep(&leader, &format!("console-{name}-telephone")).await?;
    }
    desk::make_code(&page, centre, township.account("member1b").context("the account")?.id).await?;
    album.keep(&page, "console-code").await?;
    // Without handhelds there is none to end.
    if !album.options.console {
        page.press("a[href$='/end']").await?;
        page.until("the ways to end it", "location.pathname.endsWith('/end')").await?;
        album.keep(&page, "console-terminal-end").await?;
    }
    for what in ["person", "erase", "merge"] {
        page.goto(&format!("{}{record}/{what}", centre.url())).await?;
        page.fits().await?;
        album.keep(&page, &format!("console-record-{what}")).await?;
    }
    Ok(())
}

/// Setting the second factor up, and a later log-in.
async fn coming_in(browser: &Browser, album: &Album<'_>, centre: &Centre) -> Result<()> {
    centre.command(&["user", "reset-second-factor"], &["--login", "admin"]).await?;
    let page = browser.open(&format!("{}/console/login", centre.url()), Screen::Desk).await?;
    desk::give_password(&page, "admin").await?;
    page.see("#secret").await?;
    page.fits().await?;
    album.keep(&page, "console-second-set-up").await?;
    let secret = totp::from_base32(&page.text("#secret").await?).context("the secret is base32")?;
    page.type_into("#code", &totp::code(&secret, totp::step(desk::now()))).await?;
    page.press("main form button").await?;
    page.see(".recovery").await?;
    page.fits().await?;
    album.keep(&page, "console-recovery-codes").await?;
    let page = browser.open(&format!("{}/console/login", centre.url()), Screen::Desk).await?;
    desk::give_password(&page, "admin").await?;
    page.see("#code").await?;
    page.fits().await?;
    album.keep(&page, "console-second").await
}
