//! 地图: what lies where, from what is on the handheld; a patrol with its track; positions that are asked about.

use anyhow::{Context, Result, ensure};
use tests::browser::Browser;
use tests::centre::Centre;
use tests::screen::Hand;

/// In the first grid of the township.
const HERE: &str = "37.623500,104.583500,8";

async fn number(hand: &Hand, script: &str) -> Result<f64> {
    hand.page.client.execute(&format!("return {script}"), vec![]).await?.as_f64().context("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patrol_finds_what_lies_around_it_with_no_network_and_keeps_its_track_to_itself() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let mut hand = Hand::take_at(&browser, &dir.path().join("hand"), HERE).await?;
        hand.enrol(&centre, "member1a").await?;
        hand.network(false).await?;
        hand.tab("search").await?;
        hand.page.press("[data-do=map]").await?;
        hand.on("map").await?;
        // The grid is drawn, and what lies in it; each spot says how many it stands for.
        hand.page.see(".m-area").await?;
        let sum =
            "[...document.querySelectorAll('[data-spot]')].reduce((sum, one) => sum + Number(one.dataset.spot), 0)";
        let (shown, urgent) = (number(&hand, sum).await?, hand.page.count("[data-urgent]").await? as f64);
        let count = number(&hand, "Number(document.querySelector('#map').dataset.count)").await?;
        ensure!(
            shown > 3.0 && (shown + urgent - count).abs() < 0.5,
            "{shown} in spots, {urgent} urgent, {count} in all"
        );
        // People are there when asked for: at their houses, which say where they are.
        hand.choose("kind", "person").await?;
        hand.page
            .until("people", &format!("Number(document.querySelector('#map').dataset.count) > {count} + 20"))
            .await?;
        hand.choose("kind", "person").await?;
        hand.page
            .until("no people", &format!("Number(document.querySelector('#map').dataset.count) === {count}"))
            .await?;

        // A spot is pressed: its records stand below, and one of them opens and comes back.
        hand.page.press("[data-spot]").await?;
        hand.page.see("#chosen [data-record]").await?;
        hand.page.press("#chosen [data-record]").await?;
        hand.page.see("#record").await?;
        hand.page.press(".nav [data-do=back]").await?;
        hand.on("map").await?;
        hand.page.see("#chosen [data-record]").await?;

        // Nearer there is less in sight, and all of it again afterwards.
        hand.page.press("[data-do=here]").await?;
        hand.page.see("#me-here").await?;
        for _ in 0..3 {
            hand.page.press("[data-do=nearer]").await?;
        }
        hand.page.until("less", &format!("Number(document.querySelector('#map').dataset.count) < {count}")).await?;
        pull(&hand).await.context("pulling the map")?;
        hand.page.press("[data-do=whole]").await?;
        hand.page
            .until("all of it", &format!("Number(document.querySelector('#map').dataset.count) === {count}"))
            .await?;

        patrol(&mut hand).await.context("the patrol")
    })
    .await
}

/// The map follows the finger.
async fn pull(hand: &Hand) -> Result<()> {
    let place = "document.querySelector('#me-here').getBoundingClientRect().left";
    let before = number(hand, place).await?;
    let script = "const svg = document.querySelector('.map > svg'); const at = svg.getBoundingClientRect(); \
         const send = (type, x) => svg.dispatchEvent(new PointerEvent(type, { bubbles: true, clientX: x, clientY: at.top + 40, isPrimary: true })); \
         send('pointerdown', at.left + 60); send('pointermove', at.left + 90); send('pointermove', at.left + 140); send('pointerup', at.left + 140);";
    hand.page.client.execute(script, vec![]).await?;
    hand.page.until("what was pulled", &format!("Math.abs({place} - {before} - 80) < 3")).await
}

async fn patrol(hand: &mut Hand) -> Result<()> {
    hand.page.press("[data-do=patrol]").await?;
    hand.on("work").await?;
    ensure!(hand.page.has("[data-do=track][aria-pressed=false]").await, "a track is kept that nobody switched on");
    hand.page.press("[data-do=track]").await?;
    hand.page.reads("[data-do=track]", "1").await?;
    hand.page.reads(".quiet", "草稿已存").await?;
    hand.kill().await?;
    hand.restart().await?;
    hand.on("work").await?;
    // A handheld that starts anew goes on with it.
    hand.page.see("[data-do=track][aria-pressed=true]").await?;
    hand.page.type_into("#f-seen", "一路无事").await?;
    hand.page.press("[data-do=save]").await?;
    hand.page.see("#record").await?;
    hand.page.press("[data-do=on-map]").await?;
    hand.on("map").await?;
    // A line of one point has no length to be seen by.
    hand.page.until("the track", "document.querySelector('.m-track[data-points=\"1\"]')").await?;
    // Nothing of it is delivered: no field of the record holds it.
    hand.network(true).await?;
    hand.sync().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_where_nobody_can_be_and_a_day_to_come_are_asked_about_and_saved_all_the_same() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        for (nth, place, code) in
            [(1, "0,0,5", "doubt-position-zero"), (2, "36.06,103.83,12", "doubt-position-outside"), (3, HERE, "")]
        {
            let hand = Hand::take_at(&browser, &dir.path().join(format!("hand{nth}")), place).await?;
            hand.enrol(&centre, "member1a").await?;
            hand.at("/collect").await?;
            hand.page.press("[data-do=new-object]").await?;
            hand.page.type_into("#f-name", &format!("消防栓 {nth}")).await?;
            hand.page.press("#f-type option[value='hydrant']").await?;
            hand.page.press("#box-position [data-do=locate]").await?;
            hand.page.press("#f-name").await?;
            if !code.is_empty() {
                hand.page.see(&format!("#say-position[data-problem='{code}']")).await?;
            }
            let tomorrow = (tests::centre::day() + chrono::Days::new(3)).to_string();
            if nth == 3 {
                hand.page.until("the day", &day("last_checked", &tomorrow)).await?;
                hand.page.press("#f-name").await?;
                hand.page.see("#say-last_checked[data-problem='doubt-future']").await?;
                ensure!(!hand.page.has("#say-position").await, "a position in the grid is asked about");
            }
            hand.page.press("[data-do=save]").await?;
            hand.page.see("#record").await?;
            hand.page.reads(".tags", "待核实").await?;
            hand.sync().await?;
        }
        Ok(())
    })
    .await
}

/// Puts a date into its input, as the picker of a handheld does; true when it stands there.
fn day(field: &str, day: &str) -> String {
    format!(
        "(() => {{ const at = document.querySelector('#f-{field}'); if (!at) return false; \
         Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(at, '{day}'); \
         at.dispatchEvent(new Event('input', {{ bubbles: true }})); at.dispatchEvent(new Event('blur')); \
         at.dispatchEvent(new Event('focusout', {{ bubbles: true }})); return true; }})()"
    )
}
