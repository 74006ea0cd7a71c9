//! 结案 in bulk, judged on the handheld as on the server.

use anyhow::{Context, Result, ensure};
use app::handheld::{Closing, EventFilter, Handheld};
use shared::ids::RecordId;
use shared::record::RecordKind;
use shared::workflow::{Stage, Step, StepEntry, fold};
use tests::centre::Centre;
use tests::story::{Kept, Story};

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

fn closing(record: RecordId, outcome: &str) -> Closing {
    Closing { record, outcome: outcome.to_owned(), text: String::new() }
}

fn offered(handheld: &Handheld, event: RecordId) -> Result<bool> {
    Ok(handheld.events(EventFilter::ToClose, 500, 0)?.0.iter().any(|row| row.hit.id == event))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_closes_what_was_settled_on_site_and_what_may_not_be_closed_says_why_and_stays() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    let member = centre.handheld(&dir.path().join("member"), "member1a").await?;
    let leader = centre.handheld(&dir.path().join("leader"), "leader1").await?;
    let elsewhere = centre.handheld(&dir.path().join("elsewhere"), "leader2").await?;
    sync(&member).await?;
    let grid = township.first_grid()[0];
    let settled = |title: &str, category: &str| {
        member.report(grid, title, category, &StepEntry::new(Step::SettleOnSite, "当场办好了"))
    };
    let (lamp, quarrel) = (settled("路灯不亮，换了灯泡", "hazard")?, settled("两户争车位，说开了", "dispute")?);
    let waiting = member.report(grid, "井盖松动", "hazard", &StepEntry::new(Step::Report, "要人来修"))?;
    // A member settles; closing is not theirs.
    ensure!(!offered(&member, lamp)?, "a member is offered to close");
    let not_theirs = member.close_together(&[closing(lamp, "settled")])?;
    assert_eq!((not_theirs.closed.len(), not_theirs.refused[0].1.key.as_str()), (0, "workflow-not-yours"));
    sync(&member).await?;

    sync(&leader).await?;
    sync(&elsewhere).await?;
    ensure!(offered(&leader, lamp)? && offered(&leader, quarrel)? && !offered(&leader, waiting)?);
    ensure!(!offered(&elsewhere, lamp)?, "another community's leader is offered to close");
    let before = leader.outbox_counts()?.edits;
    let done = leader.close_together(&[
        closing(lamp, "settled"),
        closing(waiting, "settled"),
        closing(quarrel, "not_reconciled"),
    ])?;
    assert_eq!(done.closed, [lamp, quarrel]);
    let refused: Vec<_> = done.refused.iter().map(|(id, why)| (*id, why.key.as_str())).collect();
    assert_eq!(refused, [(waiting, "workflow-not-now")]);
    assert_eq!(leader.outbox_counts()?.edits, before + 2, "an edit each");
    ensure!(!offered(&leader, lamp)?, "closed, and offered again");
    let nothing_said = leader.close_together(&[closing(waiting, "")])?;
    ensure!(nothing_said.closed.is_empty() && leader.outbox_counts()?.edits == before + 2, "saved though refused");
    sync(&leader).await?;
    ensure!(leader.tray()?.is_empty(), "the server judged otherwise");

    sync(&member).await?;
    let kept = Kept::open(&centre.data, township.town)?;
    let calendar = shared::calendar::Calendar::parse(assets::CALENDAR)?;
    for (event, outcome) in [(lamp, "settled"), (quarrel, "not_reconciled")] {
        assert_eq!(member.event(event)?.context("the event")?.stage, Some(Stage::Closed));
        let state = fold(&kept.record(event, RecordKind::Event)?.open, &calendar);
        assert_eq!((state.stage, state.outcome.as_deref()), (Stage::Closed, Some(outcome)));
    }
    assert_eq!(member.event(waiting)?.context("the event")?.stage, Some(Stage::Reported));
    Ok(())
}
