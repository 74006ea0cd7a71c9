//! The server killed while a photo comes: what it had told to be there is there, and the photo arrives whole and once.

use anyhow::{Context, Result, ensure};
use tests::centre::Centre;
use tests::uploads::{Phone, photo};

/// What the server brings to the disk at once.
const STEP: usize = 64 * 1024;

/// How far it is told to have come; all of it, once it is delivered.
async fn told(phone: &Phone, centre: &Centre, upload: &str) -> Result<(usize, bool)> {
    let answer = phone.stands_at(centre, upload).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let named = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let offset = named("upload-offset").context("an offset")?.parse()?;
    Ok((offset, named("photo-hash").is_some()))
}

/// Sends a photo and kills the server after every step of it, `patient`: once it has told that the step is there.
async fn killed_at_every_step(centre: &mut Centre, phone: &Phone, bytes: &[u8], patient: bool) -> Result<()> {
    let upload = phone.begin(centre, bytes).await?;
    let mut acknowledged = 0;
    for _ in 0..=bytes.len() / STEP {
        let until = bytes.len().min(acknowledged + STEP);
        let rest = bytes.get(acknowledged..until).context("the rest")?;
        let mut line = phone.patch(centre, &upload, acknowledged, bytes.len()).await?;
        line.send(rest).await?;
        if patient && until < bytes.len() {
            while told(phone, centre, &upload).await?.0 < until {
                tokio::task::yield_now().await;
            }
            acknowledged = until;
        }
        centre.kill().await?;
        drop(line);
        centre.restart().await?;
        let (stands, done) = told(phone, centre, &upload).await?;
        ensure!(stands >= acknowledged, "{acknowledged} bytes were there, now {stands}");
        ensure!(done == (stands == bytes.len()), "all of it is here, and it is not delivered");
        acknowledged = stands;
    }
    if acknowledged < bytes.len() {
        let mut line = phone.patch(centre, &upload, acknowledged, bytes.len()).await?;
        line.send(bytes.get(acknowledged..).context("the rest")?).await?;
        let answer = line.answer().await?;
        ensure!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }
    ensure!(told(phone, centre, &upload).await? == (bytes.len(), true), "it is delivered");
    phone.has_it_whole_and_once(centre, bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_every_step_of_an_upload_has_the_photo_whole_and_once() -> Result<()> {
    for (seed, patient) in [(1, true), (2, false)] {
        let dir = tempfile::tempdir()?;
        let mut centre = Centre::small(&dir.path().join("server")).await?;
        let phone = Phone::enrol(&centre, "a").await?;
        let bytes = photo(seed)?;
        ensure!(bytes.len() > 4 * STEP && bytes.len() < 6 * STEP, "{}", bytes.len());
        killed_at_every_step(&mut centre, &phone, &bytes, patient).await?;
    }
    Ok(())
}
