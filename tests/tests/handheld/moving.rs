//! 迁出: from one grid to another, where somebody says that they came, or sends them back.

use anyhow::{Context, Result, ensure};
use app::handheld::{Handheld, moved_from};
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::record::RecordKind;
use tests::centre::Centre;
use tests::story::{Story, values};

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

fn arrived(handheld: &Handheld) -> Result<Vec<RecordId>> {
    Ok(handheld.today()?.arrivals.into_iter().map(|hit| hit.id).collect())
}

fn said(handheld: &Handheld, person: RecordId, field: &str) -> Result<Vec<String>> {
    Ok(values(&handheld.whole(person)?, field).into_iter().filter(|value| !value.is_empty()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_couple_moves_to_the_next_grid_and_a_stranger_is_sent_back() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    let here = centre.handheld(&dir.path().join("here"), "member1a").await?;
    let there = centre.handheld(&dir.path().join("there"), "member2a").await?;
    let [first, second]: [AreaId; 2] = [township.grids[0], township.grids[1]];
    sync(&here).await?;
    sync(&there).await?;
    let person = |name: &str, writes: &[(&str, &str)]| -> Result<RecordId> {
        let all: Vec<(&str, &str)> = [("name", name)].into_iter().chain(writes.iter().copied()).collect();
        Ok(here.create(RecordKind::Person, first, &all)?.record)
    };
    let house = here.create(RecordKind::Place, first, &[("name", "青禾路 9 号"), ("type", "courtyard")])?.record;
    let lives: [(&str, &str); 1] = [("lives_at", &house.to_string())];
    let man = person("迁走的老周", &[lives[0], ("relation", "self")])?;
    let woman = person(
        "迁走的老伴",
        &[lives[0], ("householder", &man.to_string()), ("relation", "spouse"), ("phone", "13800009001")],
    )?;
    let son = person("留下的小周", &[lives[0], ("householder", &man.to_string()), ("relation", "child")])?;
    let stranger = person("走错的人", &[])?;
    sync(&here).await?;

    // Every grid of the town can be chosen, though nothing of it is held here.
    ensure!(here.areas().get(second).is_some(), "the next grid has no name here");
    here.move_out(&[man, woman], second)?;
    here.move_out(&[stranger], second)?;
    assert_eq!(here.move_out(&[man], second).unwrap_err().to_string(), "nothing was changed", "moved twice");
    sync(&here).await?;
    ensure!(here.tray()?.is_empty(), "the centre refused a move");
    for gone in [man, woman, stranger] {
        ensure!(here.record(gone)?.is_none(), "who moved is still read in the old grid");
    }
    ensure!(here.record(son)?.is_some());

    sync(&there).await?;
    let mut waiting = arrived(&there)?;
    waiting.sort_unstable();
    let mut all = vec![man, woman, stranger];
    all.sort_unstable();
    assert_eq!(waiting, all);
    // They go together: the householder stays hers, the house does not.
    assert_eq!(said(&there, woman, "householder")?, [man.to_string()]);
    assert_eq!(said(&there, woman, "phone")?, ["13800009001"]);
    assert_eq!(said(&there, woman, "lives_at")?, [""; 0]);
    let page = there.record(woman)?.context("she came")?;
    assert_eq!((moved_from(&page.record), page.areas.as_slice()), (Some(first), [second].as_slice()));

    there.receive(man)?;
    there.receive(woman)?;
    there.move_out(&[stranger], first)?;
    sync(&there).await?;
    assert_eq!(arrived(&there)?, []);
    ensure!(there.record(stranger)?.is_none());
    sync(&here).await?;
    assert_eq!(arrived(&here)?, [stranger], "who was sent back is nobody's");
    here.receive(stranger)?;
    assert_eq!(arrived(&here)?, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_the_town_is_not_visited_any_more() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
    let here = centre.handheld(&dir.path().join("here"), "member1a").await?;
    sync(&here).await?;
    let grid = township.grids[0];
    let due =
        |person: RecordId| -> Result<bool> { Ok(here.today()?.visits.iter().any(|visit| visit.hit.id == person)) };
    let person = here.create(RecordKind::Person, grid, &[("name", "要走访的人")])?.record;
    here.create(
        RecordKind::Event,
        grid,
        &[("category", "visit"), ("title", "走访"), ("subject", &person.to_string()), ("next_visit", "2026-01-02")],
    )?;
    ensure!(due(person)?, "the visit is not due");
    here.move_away(&[person])?;
    ensure!(!due(person)?, "somebody who left is to be visited");
    assert_eq!(said(&here, person, "residence_status")?, ["moved_out"]);
    sync(&here).await?;
    ensure!(here.tray()?.is_empty() && here.record(person)?.is_some(), "the record stays in its grid");
    Ok(())
}
