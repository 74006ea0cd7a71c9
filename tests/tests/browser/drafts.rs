//! What was typed is there again: after another page, after a kill, on every page one types on. And nobody is offered what
//! the centre would send back.

use anyhow::{Result, ensure};
use tests::browser::{Browser, Page};
use tests::centre::Centre;
use tests::screen::Hand;

const SAID: &str = "三号楼前井盖裂成两半";
const REMARK: &str = "住户说下周再来";

async fn stands(page: &Page, css: &str, text: &str) -> Result<()> {
    page.until(&format!("{css} with {text:?}"), &format!("document.querySelector('{css}')?.value === '{text}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_half_typed_is_there_again_after_another_page_and_after_a_kill() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let mut hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        hand.at("/report").await?;
        hand.choose("category", "hazard").await?;
        hand.page.type_into("#f-title", SAID).await?;
        // Left at once, before any pause.
        hand.page.press(".nav [data-do=back]").await?;
        hand.on("today").await?;
        hand.at("/report").await?;
        stands(&hand.page, "#f-title", SAID).await?;

        hand.kill().await?;
        hand.restart().await?;
        // Where one was, not at the first page.
        hand.on("report").await?;
        stands(&hand.page, "#f-title", SAID).await?;
        ensure!(hand.page.has("[name=category][value=hazard]:checked").await, "the category too");
        hand.network(false).await?;
        hand.page.press("[data-do=report-send]").await?;
        hand.page.reads("#reported", "存").await?;
        stands(&hand.page, "#f-title", "").await?;
        hand.network(true).await?;
        hand.sync().await?;
        hand.at("/report").await?;
        stands(&hand.page, "#f-title", "").await?;
        // One report after the other on the same page: the next one begins with nothing.
        for said in [SAID, "路灯不亮"] {
            hand.choose("category", "hazard").await?;
            hand.page.type_into("#f-title", said).await?;
            hand.page.press("[data-do=report-send]").await?;
            hand.page.reads("#mine", said).await?;
            stands(&hand.page, "#f-title", "").await?;
        }

        // A remark on an event, and a step that was begun.
        hand.at("/events").await?;
        hand.page.press("main [data-record]").await?;
        hand.page.see("#record").await?;
        hand.page.type_into("#remark", REMARK).await?;
        hand.page.press(".nav [data-do=back]").await?;
        hand.on("events").await?;
        hand.page.press("main [data-record]").await?;
        stands(&hand.page, "#remark", REMARK).await?;
        hand.page.press("[data-do=remark]").await?;
        hand.page.reads("#remarks", REMARK).await?;
        stands(&hand.page, "#remark", "").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patrol_member_is_offered_what_they_may_do_and_nothing_else() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let community =
            township.accounts_of(shared::author::Role::GridLeader, township.town).next().map(|it| it.scope.clone());
        let area = community.and_then(|scope| scope.first().copied()).unwrap_or(township.town).to_string();
        let new = ["--login", "patrol", "--name", "巡防", "--role", "patrol_member", "--area", &area];
        centre.command(&["user", "add"], &new).await?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "patrol").await?;
        hand.at("/collect").await?;
        hand.on("collect").await?;
        hand.page.see("[data-do=new-object]").await?;
        ensure!(hand.page.has("[data-do=new-event]").await, "events from anywhere");
        for kind in ["person", "place", "organization"] {
            ensure!(!hand.page.has(&format!("[data-do=new-{kind}]")).await, "{kind} would come back");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_back_past_a_saved_form_reads_the_record_and_types_nobody_into_it() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        hand.tab("collect").await?;
        hand.page.press("[data-do=new-person]").await?;
        hand.page.type_into("#f-name", "沙塘沟老人").await?;
        hand.page.reads(".quiet", "草稿已存").await?;
        hand.tab("collect").await?;
        hand.page.press("[data-draft] a").await?;
        stands(&hand.page, "#f-name", "沙塘沟老人").await?;
        hand.page.press("[data-do=save]").await?;
        hand.page.see("#record").await?;
        // Back past the record, past 采集: where the form was first.
        hand.page.client.execute("history.go(-2)", vec![]).await?;
        hand.page.see("#record").await?;
        hand.page.reads("#record h1", "沙塘沟老人").await?;
        ensure!(!hand.page.has("#form").await, "an empty form under the id of a record");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_said_is_not_offered_again_after_it_was_sent_at_once() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        hand.network(false).await?;
        hand.at("/report").await?;
        hand.choose("category", "hazard").await?;
        hand.page.press("[data-do=report-send]").await?;
        hand.page.press("#mine [data-record]").await?;
        hand.page.see("#record").await?;
        urge(&hand).await?;
        hand.page.type_into("#step-text", "今天一定去看").await?;
        hand.page.press("[data-do=step-send]").await?;
        hand.page.gone("#step-form").await?;
        urge(&hand).await?;
        stands(&hand.page, "#step-text", "").await
    })
    .await
}

/// Begins 催办, wherever its button is.
async fn urge(hand: &Hand) -> Result<()> {
    hand.page.until("a step", "document.querySelector('[data-do=step-urge], [data-do=step-more]')").await?;
    if !hand.page.has("[data-do=step-urge]").await {
        hand.page.press("[data-do=step-more]").await?;
    }
    hand.page.press("[data-do=step-urge]").await
}
