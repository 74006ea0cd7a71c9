//! The morning of a 网格长: what came overnight is taken, raised, dispatched or sent back, what was settled on site is closed
//! in bulk, and the member sees all of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use app::handheld::Handheld;
use shared::ids::RecordId;
use shared::workflow::{Limit, Step, StepEntry};
use tests::browser::Browser;
use tests::centre::Centre;
use tests::screen::Hand;
use tests::story::Story;
use tests::township::Township;

const WHY_BACK: &str = "不在本社区，请改派";
const WHY_UP: &str = "要吊车，网格内办不了";

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_works_through_what_came_overnight_and_the_member_sees_it() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        tell(&browser, dir.path(), &centre, &township).await
    })
    .await
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

/// What came overnight.
struct Night {
    lamp: RecordId,
    tree: RecordId,
    cover: RecordId,
    astray: RecordId,
    settled: [RecordId; 3],
}

async fn night(dir: &Path, centre: &Centre, township: &Township) -> Result<Night> {
    let member = centre.handheld(&dir.join("reporter"), "member1a").await?;
    sync(&member).await?;
    let grid = township.first_grid()[0];
    let report = |title: &str| member.report(grid, title, "hazard", &StepEntry::new(Step::Report, "要人来处理"));
    let settle = |title: &str, category: &str| {
        member.report(grid, title, category, &StepEntry::new(Step::SettleOnSite, "当场办好了"))
    };
    let night = Night {
        lamp: report("路灯昨夜不亮")?,
        tree: report("大树压住院墙")?,
        cover: report("井盖一头翘起")?,
        astray: report("河堤外倒了垃圾")?,
        settled: [
            settle("楼道杂物已清走", "hazard")?,
            settle("门口积水已扫净", "sanitation")?,
            settle("两户争车位说开了", "dispute")?,
        ],
    };
    sync(&member).await?;
    // One of them the centre gave to the leader.
    let staff = centre.handheld(&dir.join("staff"), "staff").await?;
    sync(&staff).await?;
    let leader = township.account("leader1").context("the leader")?;
    let given =
        StepEntry { host: Some(leader.id), limit: Some(Limit::Days(3)), ..StepEntry::new(Step::Dispatch, "请办理") };
    staff.go_on(night.astray, &given)?;
    sync(&staff).await?;
    Ok(night)
}

async fn tell(browser: &Arc<Browser>, dir: &Path, centre: &Centre, township: &Township) -> Result<()> {
    let night = night(dir, centre, township).await?;
    let mut leader = Hand::take(browser, &dir.join("leader")).await?;
    leader.enrol(centre, "leader1").await?;
    leader.network(false).await?;

    // 自办, 提级, 分流 to the other member, 退回 with a reason.
    leader.at("/events").await?;
    leader.page.press("[data-do=events-area]").await?;
    act(&leader, night.lamp, "take", &[]).await?;
    act(&leader, night.tree, "raise", &[("#step-text", WHY_UP)]).await?;
    let host = township.account("member1b").context("the other member")?.id.to_string();
    begin(&leader, night.cover, "dispatch").await?;
    leader.page.type_into("[name=host-find]", "李小满").await?;
    leader.choose("host", &host).await?;
    send(&leader, "dispatch").await?;
    begin(&leader, night.astray, "send_back").await?;
    leader.page.press("[data-do=step-send]").await?;
    leader.page.see("[data-problem=workflow-reason-missing]").await.context("sent back without a reason")?;
    leader.page.type_into("#step-text", WHY_BACK).await?;
    send(&leader, "send_back").await?;

    close(&mut leader, &night).await?;
    leader.network(true).await?;
    leader.sync().await?;
    ensure!(!leader.page.has("[data-tray]").await, "the server did not take all of it");

    let member = Hand::take(browser, &dir.join("member")).await?;
    member.enrol(centre, "member1b").await?;
    member.at("/events").await?;
    member.page.see(&format!("[data-record='{}']", night.cover)).await.context("what the member has to do")?;
    for (event, code, said) in [
        (night.lamp, "dispatch", "王守信"),
        (night.tree, "dispatch", WHY_UP),
        (night.cover, "dispatch", "李小满"),
        (night.astray, "handle", WHY_BACK),
        (night.settled[0], "close", "已办成"),
        (night.settled[1], "close", "已办成"),
        (night.settled[2], "close", "调成"),
    ] {
        member.at(&format!("/record/{event}")).await?;
        member.page.reads(&format!("[data-step={code}]"), said).await?;
    }
    Ok(())
}

/// Three in bulk: half of it chosen, the app killed, and it goes on where it was.
async fn close(leader: &mut Hand, night: &Night) -> Result<()> {
    let [clutter, puddle, quarrel] = night.settled;
    leader.at("/events").await?;
    leader.page.press("[data-do=events-mine]").await?;
    leader.page.press("[data-do=close-together]").await?;
    leader.on("close").await?;
    pick(leader, clutter).await?;
    pick(leader, quarrel).await?;
    leader.page.press(".nav [data-do=back]").await?;
    leader.on("events").await?;
    leader.kill().await?;
    leader.restart().await?;
    leader.on("today").await?;
    leader.at("/close").await?;
    leader.page.see("[data-do=close-send][data-count='2']").await.context("what was chosen before")?;
    pick(leader, puddle).await?;
    // A dispute says for itself how it ended.
    leader.choose("outcome", "settled").await?;
    leader.page.press("[data-do=close-send]").await?;
    leader.page.see("[data-problem=app-close-dispute-missing]").await?;
    leader.choose(&format!("outcome-{quarrel}"), "reconciled").await?;
    leader.page.fits().await?;
    leader.page.press("[data-do=close-send]").await?;
    leader.page.see("#closed[data-closed='3']").await?;
    for event in night.settled {
        leader.page.gone(&format!("[data-pick='{event}']")).await?;
    }
    Ok(())
}

async fn pick(leader: &Hand, event: RecordId) -> Result<()> {
    leader.page.press(&format!("[data-pick='{event}'] label")).await?;
    leader.page.see(&format!("[data-pick='{event}'] .pick__box .i")).await?;
    Ok(())
}

/// Opens an event and the form of a step, behind 更多 if it stands there.
async fn begin(leader: &Hand, event: RecordId, code: &str) -> Result<()> {
    leader.at(&format!("/record/{event}")).await?;
    leader.page.see(&format!("#record[data-id='{event}']")).await?;
    let button = format!("[data-do=step-{code}]");
    leader.page.see(".dock button").await?;
    if !leader.page.has(&button).await {
        leader.page.press("[data-do=step-more]").await?;
    }
    leader.page.press(&button).await
}

async fn send(leader: &Hand, code: &str) -> Result<()> {
    leader.page.press("[data-do=step-send]").await?;
    leader.page.gone(&format!("[data-step-form={code}]")).await
}

async fn act(leader: &Hand, event: RecordId, code: &str, typed: &[(&str, &str)]) -> Result<()> {
    begin(leader, event, code).await?;
    for (css, text) in typed {
        leader.page.type_into(css, text).await?;
    }
    send(leader, code).await
}
