//! What comes out of keys, of an input method, of dictation and of the clipboard stands in the record, to the character.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shared::record::RecordKind;
use tests::browser::{Browser, Page};
use tests::centre::Centre;
use tests::screen::Hand;
use tests::story::{Kept, files_below, values};

/// Characters outside the basic plane, as names in the north-west have them.
const NAME: &str = "𠮷䶮文博";
/// Faces, families, Arabic from right to left with its marks, combining accents.
const NOTE: &str = "灯修好了🙂👨‍👩‍👧 عبد الرحمن \u{200f}على e\u{301} “引号”";
/// Faster than anybody types: a scanner, or dictation that sends keys.
const KEYS: &str = "xianghe 9-2-402 the quick brown fox jumps over the lazy dog 0123456789 and back again";

/// Text as dictation and the clipboard put it in: all at once.
async fn insert(page: &Page, css: &str, text: &str) -> Result<()> {
    page.press(css).await?;
    page.devtools("Input.insertText", json!({ "text": text })).await?;
    Ok(())
}

/// Text as an input method puts it in: sounds that change at each key, then the characters.
async fn compose(page: &Page, css: &str, sounds: &[&str], text: &str) -> Result<()> {
    page.press(css).await?;
    for sound in sounds {
        let at = sound.len();
        page.devtools("Input.imeSetComposition", json!({ "text": sound, "selectionStart": at, "selectionEnd": at }))
            .await?;
    }
    page.devtools("Input.insertText", json!({ "text": text })).await?;
    Ok(())
}

async fn stands(page: &Page, css: &str, text: &str) -> Result<()> {
    let (css, text) = (Value::from(css), Value::from(text));
    page.until(&format!("{text} in {css}"), &format!("document.querySelector({css})?.value === {text}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_typed_composed_dictated_or_pasted_loses_a_character() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        let hand = Hand::take(&browser, &dir.path().join("hand")).await?;
        hand.enrol(&centre, "member1a").await?;
        let page = &hand.page;
        hand.at("/collect").await?;
        page.press("[data-do=new-person]").await?;
        compose(page, "#f-name", &["j", "ji", "ji y", "ji ya", "ji yan"], "𠮷䶮").await?;
        compose(page, "#f-name", &["w", "we", "wen b", "wen bo"], "文博").await?;
        stands(page, "#f-name", NAME).await?;
        page.type_into("#f-address", KEYS).await?;
        stands(page, "#f-address", KEYS).await?;
        insert(page, "#f-note", NOTE).await?;
        stands(page, "#f-note", NOTE).await?;
        page.press("[data-do=save]").await?;
        page.see("#record").await?;
        let id = page.see("#record").await?.attr("data-id").await?.context("the record")?;

        // A long account of a visit.
        let long: String = "沟里第三户的水管冻裂了，约好明天带人来修。🙂".chars().cycle().take(10_000).collect();
        page.press("#quick [data-do=begin-visit]").await?;
        insert(page, "#f-found", &long).await?;
        stands(page, "#f-found", &long).await?;
        page.press("[data-do=save]").await?;
        page.see("#record").await?;
        let visit = page.see("#record").await?.attr("data-id").await?.context("the visit")?;

        // Found by its characters, delivered, and in the batch.
        hand.at("/search").await?;
        insert(page, "#search", "𠮷䶮").await?;
        page.see(&format!("#results [data-record='{id}']")).await?;
        hand.sync().await?;
        let kept = Kept::open(&centre.data, township.town)?;
        let person = kept.record(id.parse()?, RecordKind::Person)?;
        for (field, text) in [("name", NAME), ("address", KEYS), ("note", NOTE)] {
            assert_eq!(values(&person, field), [text]);
        }
        assert_eq!(values(&kept.record(visit.parse()?, RecordKind::Event)?, "found"), [long.as_str()]);
        let (town, out) = (township.town.to_string(), dir.path().join("batch"));
        let to = out.to_string_lossy().into_owned();
        let options = ["--user", "staff", "--area", &town, "--since", "last", "--format", "csv", "--out", &to];
        centre.command(&["batch", "pull"], &options).await?;
        let mut all = String::new();
        for file in files_below(&out)?.iter().filter(|file| file.extension().is_some_and(|kind| kind == "csv")) {
            all.push_str(&std::fs::read_to_string(file)?);
        }
        for text in [NAME, "👨‍👩‍👧 عبد الرحمن", long.as_str()] {
            ensure!(all.contains(text), "the batch does not hold {}", text.chars().take(20).collect::<String>());
        }
        Ok(())
    })
    .await
}
