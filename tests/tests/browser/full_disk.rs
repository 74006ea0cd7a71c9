//! No room while saving: the user is told in words, keeps what was typed, and saves when there is room again.
#![cfg(feature = "faults")]

use std::fs;

use anyhow::{Result, ensure};
use app::handheld::SaveError;
use app::store::StoreError;
use assets::messages::{Lang, Messages};
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::near::{self, GRID, Replay};
use tests::screen::Hand;
use tests::story::{Kept, Story};
use tests::{faults, picture};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_handheld_refuses_in_words_keeps_what_it_has_and_saves_again_when_there_is_room() -> Result<()> {
    let dir = faults::folder()?;
    let centre = near::centre(&dir.path().join("server"), Replay::new(1))?;
    let (folder, switch) = (dir.path().join("handheld"), dir.path().join("full"));
    fs::create_dir_all(&folder)?;
    let watch = faults::watch(&folder)?;
    watch.full_while(Some(switch.clone()));
    let handheld = near::handheld(&centre, &folder, "a", Replay::new(2)).await?;
    let who = handheld.create(RecordKind::Person, GRID, &[("name", "马兰")])?.record;
    handheld.save_draft("half", "{}")?;
    let typed = handheld.open_form(who)?;
    let mut draft = typed.clone();
    draft.writes.insert(Path::field("phone"), Value::text("13800000000"));

    fs::write(&switch, "")?;
    let refused = handheld.save(draft.clone(), Some("half"));
    ensure!(matches!(refused, Err(SaveError::Store(StoreError::Full))), "{refused:?}");
    let picture = picture::jpeg(640, 480, None, 1)?;
    let photo = handheld.take_in(&picture, None, None).expect_err("no room for a photo");
    let settings = handheld.set_settings(|settings| settings.text_size = 150).expect_err("no room for settings");
    for message in [refused.expect_err("refused above").message(), photo.0, settings.message()] {
        assert_eq!(message.key, "store-full");
        for lang in [Lang::Zh, Lang::En] {
            ensure!(message.text(&Messages::of(lang)) != message.key, "no words");
        }
    }
    // Everything that was there is, and can be read.
    assert_eq!(handheld.values(who, "name")?, ["马兰"]);
    ensure!(handheld.values(who, "phone")?.is_empty(), "half a save");
    ensure!(handheld.load_draft("half")?.is_some(), "the draft is kept until it is saved");
    assert_eq!(handheld.settings().text_size, 100);

    fs::remove_file(&switch)?;
    handheld.save(draft, Some("half"))?;
    let taken = handheld.take_in(&picture, None, None)?;
    ensure!(handheld.picture(&taken.hash).is_ok_and(|bytes| bytes.is_some()), "the photo");
    assert_eq!(handheld.values(who, "phone")?, ["13800000000"]);
    ensure!(handheld.load_draft("half")?.is_none(), "the draft went with the save");
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{}: {}", error.message.key, error.detail))?;
    assert_eq!(handheld.outbox_counts()?.edits, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_types_on_a_full_handheld_is_told_and_loses_nothing() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let switch = dir.path().join("full");
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::starved(&browser, &dir.path().join("hand"), &switch).await?;
        hand.enrol(&centre, "member1a").await?;
        hand.network(false).await?;
        hand.tab("collect").await?;
        hand.page.press("[data-do=new-person]").await?;
        hand.page.see("[data-do=save]").await?;
        hand.page.type_into("#f-name", "欧阳满仓").await?;

        fs::write(&switch, "")?;
        hand.page.type_into("#f-phone", "13812345678").await?;
        hand.page.press("[data-do=save]").await?;
        hand.page.see("#trouble[data-problem='store-full']").await?;
        let said = hand.page.text("#trouble").await?;
        ensure!(said.contains(&Messages::of(Lang::Zh).text("store-full")), "it says {said:?}");
        hand.page
            .until(
                "the message in sight",
                "(() => { const at = document.querySelector('#trouble').getBoundingClientRect(); \
                 return at.top >= 0 && at.bottom <= innerHeight; })()",
            )
            .await?;
        for (field, typed) in [("name", "欧阳满仓"), ("phone", "13812345678")] {
            hand.page
                .until("what was typed", &format!("document.querySelector('#f-{field}').value === '{typed}'"))
                .await?;
        }
        // A second try on the full disk says the same and changes nothing.
        hand.page.press("[data-do=save]").await?;
        hand.page.see("#trouble[data-problem='store-full']").await?;

        fs::remove_file(&switch)?;
        hand.page.press("[data-do=save]").await?;
        hand.page.see("#record").await?;
        assert_eq!(hand.value("phone").await?, "13812345678");
        hand.network(true).await?;
        hand.sync().await?;
        let kept = Kept::open(&centre.data, township.town)?;
        let parts = kept.open_parts(&township.grids)?;
        let saved = parts.values().filter(|state| state.contains("欧阳满仓")).count();
        ensure!(saved == 1, "the server holds {saved} of them");
        Ok(())
    })
    .await
}
