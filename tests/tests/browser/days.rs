//! Whole days: the first one of a new member, a bad one with no network and a handheld that dies, an informant's.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::view;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::near::PIN;
use tests::picture;
use tests::screen::Hand;
use tests::story::Kept;
use tests::township::{Size, Township};

/// The people of the first grid, by name.
fn people(kept: &Kept, township: &Township) -> Result<BTreeMap<String, Vec<(RecordId, PartState)>>> {
    let mut found: BTreeMap<String, Vec<(RecordId, PartState)>> = BTreeMap::new();
    for (id, state) in kept.open_parts(&township.first_grid())? {
        let part: PartState = serde_json::from_str(&state)?;
        if let Some(name) = view::one(&part, "name").leading().and_then(|write| write.value.as_text())
            && view::one(&part, "id_type").leading().is_some()
        {
            found.entry(name).or_default().push((id, part));
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_day_of_a_new_member() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let size = Size { residents: 6_000, ..Size::small() };
        let (centre, township) = Centre::with_township_of(&dir.path().join("server"), size).await?;
        let kept = Kept::open(&centre.data, township.town)?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;

        // Enrolled, and told how far the first fill is.
        let page = &hand.page;
        let follow = "window.fill = []; new MutationObserver(() => { const bar = document.querySelector('#first-fill [role=progressbar]'); \
                      if (bar) window.fill.push(Number(bar.getAttribute('aria-valuenow'))); }) \
                      .observe(document.body, { subtree: true, childList: true, attributes: true });";
        page.see("#enrol-server").await?;
        page.client.execute(follow, vec![]).await?;
        page.type_into("#enrol-server", &centre.url()).await?;
        page.type_into("#enrol-code", &centre.code("member1a").await?).await?;
        page.type_into("#enrol-pin", PIN).await?;
        page.type_into("#enrol-again", PIN).await?;
        page.press("[data-do=enrol]").await?;
        hand.on("today").await?;
        page.until("the first fill at its end", "document.querySelector('#visits') && !document.querySelector('#first-fill')").await?;
        let seen = page.client.execute("return window.fill", vec![]).await?;
        let seen: Vec<u64> = seen.as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect();
        ensure!(!seen.is_empty() && seen.is_sorted(), "how far the first fill is was not said: {seen:?}");

        // Somebody found by the initials of their name, two presses away from a visit.
        let (name, who) = people(&kept, &township)?
            .into_iter()
            .find_map(|(name, ids)| (ids.len() == 1 && name.chars().count() == 3).then(|| ids.first().map(|one| (name, one.0)))?)
            .context("somebody without a namesake")?;
        let initials = initials(&name);
        hand.tab("search").await?;
        page.type_into("#search", &initials).await?;
        page.press(&format!("#results [data-record='{who}']")).await?;
        page.press("#quick [data-do=begin-visit]").await?;
        page.type_into("#f-found", "一切都好，冬煤够烧").await?;
        page.press("[data-do=save]").await?;
        page.see("#record").await?;

        // And something seen on the way, with a photo.
        hand.tab("today").await?;
        page.press("[data-do=report]").await?;
        let file = dir.path().join("seen.jpg");
        std::fs::write(&file, picture::jpeg(1_600, 1_200, None, 5)?)?;
        page.attach("#p-photos", &file).await?;
        page.see("[data-photo] img").await?;
        hand.choose("category", "sanitation").await?;
        page.press("[data-do=report-send]").await?;
        page.see("#reported").await?;
        hand.sync().await?;
        let works = kept.open_parts(&township.first_grid())?;
        let told = works.iter().filter(|(_, state)| state.contains("冬煤够烧")).count();
        ensure!(told == 1, "the visit is at the centre {told} times");
        Ok(())
    })
    .await
}

/// As somebody types who does not want to write the characters.
fn initials(name: &str) -> String {
    let sounds = name.chars().filter_map(|c| pinyin::ToPinyin::to_pinyin(&c));
    sounds.filter_map(|sound| sound.plain().chars().next()).collect()
}

/// How much is recorded on a bad day.
const RECORDS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_day_eight_hours_without_a_network_sixty_records_and_three_dead_batteries() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (mut centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let mut hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        centre.kill().await?;
        let name = |nth: usize| format!("沙塘沟{nth:02}");
        for nth in 0..RECORDS {
            hand.tab("collect").await?;
            hand.page.press("[data-do=new-person]").await?;
            hand.page.see("#f-name").await?.send_keys(&name(nth)).await?;
            hand.page.see("#f-phone").await?.send_keys(&format!("139000{nth:05}")).await?;
            if let Some(hours) =
                [(14, 3), (33, 6), (52, 8)].iter().find_map(|(at, hours)| (*at == nth).then_some(*hours))
            {
                hand.page.reads(".quiet", "草稿已存").await?;
                hand.kill().await?;
                hand.restart_later(hours).await?;
                // In the same form, at the same field, with the same text.
                hand.on("draft").await?;
                let typed = format!("document.querySelector('#f-name')?.value === '{}'", name(nth));
                hand.page.until("the name that was typed", &typed).await?;
                let phone = format!("document.querySelector('#f-phone')?.value === '139000{nth:05}'");
                hand.page.until("the phone that was typed", &phone).await?;
                hand.page.until("the cursor where it was", "document.activeElement?.id === 'f-phone'").await?;
            }
            hand.page.press("[data-do=save]").await?;
            hand.page.see("#record").await?;
        }
        hand.tab("today").await?;
        hand.page.reads("#sync-line", &RECORDS.to_string()).await?;

        centre.restart().await?;
        hand.sync().await?;
        let kept = Kept::open(&centre.data, township.town)?;
        let there = people(&kept, &township)?;
        for nth in 0..RECORDS {
            let found = there.get(&name(nth)).map(Vec::as_slice).unwrap_or_default();
            ensure!(found.len() == 1, "{} is at the centre {} times", name(nth), found.len());
            let phone =
                found.first().and_then(|(_, part)| view::one(part, "phone").leading()).map(|write| write.value.plain());
            assert_eq!(phone.as_deref(), Some(format!("139000{nth:05}").as_str()));
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_informant_reports_with_three_taps_and_sees_what_becomes_of_it_and_of_nothing_else() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::take_at(&browser, &dir.path().join("hand"), "37.623500,104.583500,8").await?;
        hand.page.type_into("#enrol-server", &centre.url()).await?;
        hand.page.type_into("#enrol-code", &centre.code("informant1").await?).await?;
        hand.page.type_into("#enrol-pin", PIN).await?;
        hand.page.type_into("#enrol-again", PIN).await?;
        hand.page.press("[data-do=enrol]").await?;
        // Nothing but 随手报: no tabs, and no other page by its address.
        hand.page.see("[data-do=report-send]").await?;
        ensure!(!hand.page.has(".tabs").await, "an informant has tabs");
        for closed in ["/search", "/collect", "/events", "/map", "/visits"] {
            hand.at(closed).await?;
            hand.page.see("[data-do=report-send]").await?;
            ensure!(!hand.page.has("#results, #visits-page, #map").await, "{closed} is open to an informant");
        }
        hand.at("/").await?;
        let file = dir.path().join("seen.jpg");
        std::fs::write(&file, picture::jpeg(1_600, 1_200, None, 7)?)?;
        // One, two, three, sent.
        hand.page.attach("#p-photos", &file).await?;
        hand.page.see("[data-photo] img").await?;
        hand.choose("category", "hazard").await?;
        hand.page.press("[data-do=locate]").await?;
        hand.page.press("[data-do=report-send]").await?;
        hand.page.see("#reported").await?;
        hand.page.until("sent", "document.querySelector('#mine [data-record]')").await?;

        // Whoever leads there takes it; the informant reads where it stands.
        let leader = Hand::take(&browser, &dir.path().join("leader")).await?;
        hand.page.until("delivered", "!document.querySelector('#mine [data-light=\"l-off\"]')").await?;
        leader.enrol(&centre, "leader1").await?;
        let mine = hand.page.see("#mine [data-record]").await?.attr("data-record").await?.context("the report")?;
        leader.at(&format!("/record/{mine}")).await?;
        leader.page.press("[data-do=step-take]").await?;
        leader.page.press("[data-do=step-send]").await?;
        leader.page.reads("[data-step=dispatch]", "自办").await?;
        leader.sync().await?;
        hand.at("/sync").await?;
        hand.page.press("[data-do=sync]").await?;
        hand.at(&format!("/record/{mine}")).await?;
        hand.page.reads("[data-step=dispatch]", "王守信").await?;
        Ok(())
    })
    .await
}
