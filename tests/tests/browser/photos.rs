//! Photos as people see them: several at once, sent later, looked at by a colleague before and after they arrive.

use anyhow::{Context, Result};
use shared::ids::RecordId;
use tests::browser::Browser;
use tests::centre::Centre;
use tests::picture;
use tests::screen::Hand;

const TITLE: &str = "渠边护栏缺了一段";

#[tokio::test(flavor = "multi_thread")]
async fn two_photos_at_once_are_seen_by_a_colleague_who_is_told_when_they_come() -> Result<()> {
    Browser::with(|browser| async move {
        let dir = tempfile::tempdir()?;
        let (centre, _) = Centre::with_township(&dir.path().join("server")).await?;
        let alice = Hand::take(&browser, &dir.path().join("alice")).await?;
        let bob = Hand::take(&browser, &dir.path().join("bob")).await?;
        alice.enrol(&centre, "member1a").await?;
        bob.enrol(&centre, "member1b").await?;

        // Only text goes; two pictures are chosen together, and something that is none.
        alice.at("/report").await?;
        alice.page.reads("#report", "不拍身份证").await?;
        let (one, two) = (dir.path().join("1.jpg"), dir.path().join("2.jpg"));
        std::fs::write(&one, picture::jpeg(1_600, 1_200, None, 1)?)?;
        std::fs::write(&two, picture::jpeg(1_600, 1_200, None, 2)?)?;
        let text = dir.path().join("list.jpg");
        std::fs::write(&text, "这是一张名单")?;
        alice.page.attach_all("#g-photos", &[&one, &text, &two]).await?;
        alice.page.until("two photos", "document.querySelectorAll('[data-photo] img').length === 2").await?;
        alice.page.see("[data-problem=photo-not-a-picture]").await?;
        alice.choose("category", "hazard").await?;
        alice.page.type_into("#f-title", TITLE).await?;
        alice.network(false).await?;
        alice.page.press("[data-do=report-send]").await?;
        alice.page.until("the report kept", "document.querySelector('#reported[data-sent=\"1\"]')").await?;
        let script = "return [...document.querySelectorAll('#mine [data-record]')]\
                      .find(row => row.innerText.includes(arguments[0])).dataset.record";
        let event = alice.page.client.execute(script, vec![TITLE.into()]).await?;
        let event: RecordId = event.as_str().context("the event's id")?.parse()?;
        alice.at("/sync").await?;
        alice.page.press("[data-do=text-only]").await?;
        alice.page.see("[data-do=text-only][aria-pressed=true]").await?;
        alice.network(true).await?;
        let text = "document.querySelector('#estimate').dataset.records === '0'";
        alice.page.until("the text delivered", text).await?;
        alice.page.reads("#items", "照片").await?;

        bob.sync().await?;
        bob.at(&format!("/record/{event}")).await?;
        bob.page.press("[data-photo]").await?;
        bob.page.see("[data-said=photo-on-its-way]").await?;
        bob.page.reads(".photo__missing", "最近一次联网").await?;
        bob.page.fits().await?;

        alice.page.press("[data-do=text-only]").await?;
        alice
            .page
            .see("[data-do=text-only][aria-pressed=false], #items:empty, [data-lamp=delivered][data-on=true]")
            .await?;
        alice.sync().await?;
        bob.page.press("[data-do=again]").await?;
        bob.page.see(".photo--large img").await?;

        // What was opened is there without a network too.
        bob.network(false).await?;
        bob.at(&format!("/record/{event}")).await?;
        bob.page.press("[data-photo]").await?;
        bob.page.see(".photo--large img").await?;
        assert_eq!(bob.page.count("[data-photo]").await?, 2);
        Ok(())
    })
    .await
}
