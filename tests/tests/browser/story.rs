//! The main job as a person does it: two handhelds in real Chromium, a real server, the console, a batch.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use shared::ids::{PhotoHash, RecordId};
use shared::record::RecordKind;
use shared::view;
use sync_server::AppState;
use sync_server::batch::{Format, Pull, Since, approval};
use tests::browser::Browser;
use tests::centre::Centre;
use tests::desk;
use tests::picture::{self, Camera};
use tests::screen::Hand;
use tests::story::{Kept, files_below, values};
use tests::township::Township;

const ADDRESS: &str = "祥和小区 9 号楼 2 单元 402";
const ALICE_SAYS: &str = "13800009001";
const TITLE: &str = "三号楼前井盖裂成两半";
const BOB_SAYS: &str = "13900009002";

#[tokio::test(flavor = "multi_thread")]
async fn two_handhelds_apart_then_together_and_the_centre_takes_the_batch() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        tell(&browser, dir.path(), &centre, &township).await
    })
    .await
}

/// Somebody of the first grid with an agreed phone and a name nobody else there has.
fn resident(kept: &Kept, township: &Township) -> Result<(RecordId, String)> {
    let mut found: BTreeMap<String, Vec<RecordId>> = BTreeMap::new();
    for (id, state) in kept.open_parts(&township.first_grid())? {
        let part: shared::merge::PartState = serde_json::from_str(&state)?;
        let agreed = matches!(view::one(&part, "phone"), view::One::Agreed(_));
        let text = |field: &str| view::one(&part, field).leading().and_then(|write| write.value.as_text());
        if let Some(name) = text("name")
            && (agreed && text("id_number").is_some())
        {
            found.entry(name).or_default().push(id);
        }
    }
    let unique = found.into_iter().find_map(|(name, ids)| match ids.as_slice() {
        [id] => Some((*id, name)),
        _ => None,
    });
    unique.context("everybody in the grid has a namesake")
}

async fn tell(browser: &Arc<Browser>, dir: &Path, centre: &Centre, township: &Township) -> Result<()> {
    let kept = Kept::open(&centre.data, township.town)?;
    let (who, name) = resident(&kept, township)?;

    let alice = Hand::take(browser, &dir.join("alice")).await?;
    let bob = Hand::take(browser, &dir.join("bob")).await?;
    alice.enrol(centre, "member1a").await?;
    bob.enrol(centre, "member1b").await?;

    // Both go offline and open the same resident; what one saves the other cannot have seen.
    for hand in [&alice, &bob] {
        hand.network(false).await?;
        hand.open(&name, who).await?;
        hand.edit().await?;
    }
    alice.save(&[("phone", ALICE_SAYS)]).await?;
    bob.save(&[("phone", BOB_SAYS), ("address", ADDRESS)]).await?;

    let event = report(&alice, dir, &kept).await.context("reporting an event offline")?;

    for hand in [&alice, &bob] {
        hand.network(true).await?;
    }
    alice.sync().await?;
    bob.sync().await?;
    alice.sync().await?;

    // The address merged without a question; the phone asks, with both values, who and when.
    for hand in [&alice, &bob] {
        hand.open(&name, who).await?;
        assert_eq!(hand.value("address").await?, ADDRESS);
        ensure!(hand.page.has("[data-do=review]").await, "the record page does not say 待核对");
        card(hand, who).await?;
    }
    let console = desk::log_in(browser, centre, "staff").await?;
    console.goto(&format!("{}/console/to-decide", centre.url())).await?;
    for said in [ALICE_SAYS, BOB_SAYS, "马春兰", "李小满"] {
        console.reads("body", said).await?;
    }

    // Settled on one, gone on all.
    alice.at("/review").await?;
    alice.page.press(&format!("[data-review='{who}/phone'] [data-do=choose][data-value='{BOB_SAYS}']")).await?;
    alice.page.gone(&format!("[data-review='{who}/phone']")).await?;
    alice.sync().await?;
    bob.sync().await?;
    for hand in [&alice, &bob] {
        hand.at("/review").await?;
        hand.on("review").await?;
        hand.page.gone(&format!("[data-review='{who}/phone']")).await?;
        hand.open(&name, who).await?;
        assert_eq!(hand.value("phone").await?.replace(' ', ""), BOB_SAYS);
    }
    let record = kept.record(who, RecordKind::Person)?;
    assert_eq!(values(&record, "phone"), [BOB_SAYS]);
    assert_eq!(values(&record, "address"), [ADDRESS]);
    console.goto(&format!("{}/console/records/{who}", centre.url())).await?;
    console.reads("body", ADDRESS).await?;
    ensure!(!console.all_text().await.contains(ALICE_SAYS), "the console still asks");

    photo(&kept, event)?;
    batches(centre, township, dir, &name).await
}

/// Reports an event with a photo from an upright phone, and gives its id once the server has it.
async fn report(alice: &Hand, dir: &Path, kept: &Kept) -> Result<RecordId> {
    let file = dir.join("from-the-camera.jpg");
    let camera = Camera { orientation: 6, gps: Some((37.62, 104.58)) };
    std::fs::write(&file, picture::jpeg(4_000, 3_000, Some(camera), 3)?)?;
    alice.at("/report").await?;
    alice.choose("category", "hazard").await?;
    alice.page.type_into("#f-title", TITLE).await?;
    alice.page.attach("#p-photos", &file).await?;
    alice.page.see("[data-photo] img").await.context("the photo taken in")?;
    alice.page.press("[data-do=report-send]").await?;
    alice.page.until("the report kept", "document.querySelector('#reported[data-sent=\"1\"]')").await?;
    alice.page.reads("#mine", TITLE).await?;
    // Reports from before are in the list too.
    let script = "return [...document.querySelectorAll('#mine [data-record]')]\
                  .find(row => row.innerText.includes(arguments[0])).dataset.record";
    let id = alice.page.client.execute(script, vec![TITLE.into()]).await?;
    let id: RecordId = id.as_str().context("the event's id")?.parse()?;
    ensure!(kept.edits(id)?.is_empty(), "the event reached the server while the network was off");
    Ok(id)
}

/// The 待核对 card shows both values with equal weight, who and when.
async fn card(hand: &Hand, who: RecordId) -> Result<()> {
    hand.at("/review").await?;
    let card = format!("[data-review='{who}/phone']");
    let text = hand.page.text(&card).await?.replace(' ', "");
    for said in [ALICE_SAYS, BOB_SAYS] {
        ensure!(text.contains(said), "the card does not show {said}: {text}");
    }
    // The own one may read 我 or the name; the other one is named.
    ensure!(text.contains("马春兰") || text.contains("李小满"), "the card does not say who: {text}");
    ensure!(text.contains(':') || text.contains("刚") || text.contains("分钟"), "the card does not say when: {text}");
    assert_eq!(hand.page.count(&format!("{card} [data-do=choose]")).await?, 2);
    Ok(())
}

/// The photo on the server is upright, small enough and carries no metadata; so is its thumbnail.
fn photo(kept: &Kept, event: RecordId) -> Result<()> {
    let record = kept.record(event, RecordKind::Event)?;
    let photos = view::many(&record.open, "photos");
    assert_eq!(photos.len(), 1);
    let (hash, write) = photos.first().context("a photo")?;
    let particulars: shared::form::PhotoParticulars = write.value.get().context("particulars")?;
    let large: PhotoHash = hash.parse()?;
    for (hash, longest) in [(&large, 1_600), (&particulars.thumbnail, 320)] {
        let bytes = kept.app().blobs.read(hash).context("the server holds the photo")?;
        ensure!(!picture::has_metadata(&bytes), "{hash} carries metadata");
        let (quarters, width, height) = picture::quarters(&bytes)?;
        // Held upright: what lay at the left of the sensor's lower edge is at the top left.
        assert_eq!(quarters, [2, 0, 3, 1]);
        assert_eq!(height, longest);
        assert_eq!(width, longest * 3 / 4);
    }
    Ok(())
}

/// Staff with the right pull the numbers in full, others masked; a second pull is empty.
async fn batches(centre: &Centre, township: &Township, dir: &Path, name: &str) -> Result<()> {
    let town = township.town.to_string();
    let pull = async |login: &str, more: &[&str]| -> Result<(bool, Vec<String>)> {
        let out = dir.join(format!("batch-{login}"));
        std::fs::remove_dir_all(&out).ok();
        let out_text = out.to_string_lossy().into_owned();
        let mut options =
            vec!["--user", login, "--area", &town, "--since", "last", "--format", "csv", "--out", &out_text];
        options.extend(more);
        let output = centre.try_command(&["batch", "pull"], &options).await?;
        Ok((output.status.success(), lines_of(&out, name)?))
    };
    let (done, _) = pull("staff", &["--unmasked"]).await?;
    ensure!(!done, "one person alone pulled numbers in full");
    released(centre, township)?;
    let (done, full) = pull("staff", &["--unmasked"]).await?;
    ensure!(done && full.len() == 1, "the batch holds {} lines of {name}", full.len());
    let line = full.first().context("a line")?;
    ensure!(line.contains(BOB_SAYS) && line.contains(ADDRESS), "the batch does not hold what was settled: {line}");
    ensure!(!line.contains(ALICE_SAYS), "the batch holds what was decided against: {line}");
    ensure!(line.contains("629999"), "the number is not in full: {line}");

    let (done, _) = pull("staff2", &["--unmasked"]).await?;
    ensure!(!done, "somebody without the right pulled numbers in full");
    let (done, masked) = pull("staff2", &[]).await?;
    let line = masked.first().context("a line of the masked batch")?;
    ensure!(done && line.contains("139****9002") && !line.contains(BOB_SAYS), "not masked: {line}");
    ensure!(!line.contains("629999"), "not masked: {line}");

    released(centre, township)?;
    let (done, again) = pull("staff", &["--unmasked"]).await?;
    ensure!(done && again.is_empty(), "the second pull since the last holds {again:?}");
    ensure!(
        !dir.join("batch-staff").exists() || files_below(&dir.join("batch-staff"))?.is_empty(),
        "an empty pull wrote files"
    );
    Ok(())
}

/// What staff ask for and staff3 releases at the console, as `sync-server`'s own tests do by its pages.
fn released(centre: &Centre, township: &Township) -> Result<()> {
    let app = AppState::open(&centre.data, Arc::new(sync_server::system::System))?;
    let user = |login: &str| -> Result<_> { app.store.user_by_login(login)?.context("staff") };
    let (staff, second) = (user("staff")?, user("staff3")?);
    let wanted = Pull {
        user: &staff,
        areas: vec![township.town],
        since: Since::Last,
        formats: vec![Format::Csv],
        unmasked: true,
        restricted: false,
        profile: None,
        photos: false,
        released: None,
        lang: assets::messages::Lang::Zh,
    };
    let id = approval::ask(&app, &wanted)?;
    Ok(approval::release(&app, &second, id)?)
}

/// The rows about people of a name, in any CSV file below a folder, cells joined by `|`.
fn lines_of(folder: &Path, name: &str) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for file in files_below(folder)?.iter().filter(|file| file.extension().is_some_and(|end| end == "csv")) {
        let text = std::fs::read_to_string(file)?;
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let Some(column) = reader.headers()?.iter().position(|header| header == "姓名") else { continue };
        for row in reader.records() {
            let row = row?;
            if row.get(column) == Some(name) {
                rows.push(row.iter().collect::<Vec<_>>().join("|"));
            }
        }
    }
    Ok(rows)
}
