//! The floors: the least that the same work costs with nothing of the product in it.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path as Segment;
use axum::routing::{get, post};
use rusqlite::Connection;

use super::table::Times;

fn plain(file: &Path) -> Result<Connection> {
    let db = Connection::open(file)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE record (id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL) STRICT;",
    )?;
    Ok(db)
}

/// Inserting rows into a plain SQLite table, durable at the end.
pub fn insert(dir: &Path, rows: &[(String, String)]) -> Result<Duration> {
    let mut db = plain(&dir.join("insert.db"))?;
    let start = Instant::now();
    put(&mut db, rows.iter().map(|(id, state)| (id.as_str(), state.as_str())))?;
    Ok(start.elapsed())
}

fn put<'a>(db: &mut Connection, rows: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let tx = db.transaction()?;
    {
        let mut statement = tx.prepare("INSERT OR REPLACE INTO record (id, state) VALUES (?1, ?2)")?;
        for (id, state) in rows {
            statement.execute((id, state))?;
        }
    }
    tx.commit()?;
    Ok(())
}

/// HTTP on loopback, zstd, and the insert: ready-encoded pages of 1,000 rows. Gives the time and the bytes on the wire.
pub async fn transfer(dir: &Path, rows: &[(String, String)]) -> Result<(Duration, usize)> {
    let pages: Vec<Bytes> = rows
        .chunks(1_000)
        .map(|page| {
            let lines: Vec<String> = page.iter().map(|(id, state)| format!("{id}\t{state}")).collect();
            zstd::bulk::compress(lines.join("\n").as_bytes(), 3).map(Bytes::from)
        })
        .collect::<Result<_, _>>()?;
    let (count, bytes) = (pages.len(), pages.iter().map(Bytes::len).sum());
    let pages = std::sync::Arc::new(pages);
    let route = get(move |Segment(n): Segment<usize>| {
        let pages = pages.clone();
        async move { pages.get(n).cloned().unwrap_or_default() }
    });
    let url = serve(Router::new().route("/{n}", route)).await?;
    let mut db = plain(&dir.join("transfer.db"))?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let start = Instant::now();
    for n in 0..count {
        let page = client.get(format!("{url}/{n}")).send().await?.bytes().await?;
        let text = String::from_utf8(zstd::bulk::decompress(&page, 64 << 20)?)?;
        put(&mut db, text.lines().filter_map(|line| line.split_once('\t')))?;
    }
    Ok((start.elapsed(), bytes))
}

/// A POST whose bytes are written and synced before it is answered, on a warm connection.
pub async fn synced_post(dir: &Path, times: usize, body: usize) -> Result<Times> {
    let file = std::sync::Arc::new(std::sync::Mutex::new(std::fs::File::create(dir.join("post.log"))?));
    let route = post(move |body: Bytes| {
        let file = file.clone();
        async move {
            let written = tokio::task::spawn_blocking(move || {
                let mut file = file.lock().map_err(|_| std::io::Error::other("poisoned"))?;
                file.write_all(&body)?;
                file.sync_data()
            });
            matches!(written.await, Ok(Ok(()))).to_string()
        }
    });
    let url = serve(Router::new().route("/", route)).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut taken = Times::default();
    for n in 0..times + 20 {
        let start = Instant::now();
        client.post(&url).body(vec![b'x'; body]).send().await?.bytes().await?;
        // The first ones warm the connection.
        if n >= 20 {
            taken.add(start.elapsed());
        }
    }
    Ok(taken)
}

/// A POST that is answered at once, on a warm connection.
pub async fn bare_post(times: usize) -> Result<Times> {
    let url = serve(Router::new().route("/", post(|_: Bytes| async { "ok" }))).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut taken = Times::default();
    for n in 0..times + 20 {
        let start = Instant::now();
        client.post(&url).body("x").send().await?.bytes().await?;
        if n >= 20 {
            taken.add(start.elapsed());
        }
    }
    Ok(taken)
}

/// Writing 4 kB to the end of a file and `fdatasync`.
pub fn fdatasync(dir: &Path, times: usize) -> Result<Times> {
    let mut file = std::fs::File::create(dir.join("sync.log"))?;
    let mut taken = Times::default();
    for _ in 0..times {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        taken.add(start.elapsed());
    }
    Ok(taken)
}

/// The naive merge: for each field edit one row and the record's vector, in SQLite, durable at the end.
pub fn naive_merge(dir: &Path, edits: &[shared::edit::Edit]) -> Result<Duration> {
    let mut db = Connection::open(dir.join("naive.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE field (record BLOB NOT NULL, path TEXT NOT NULL, slot INTEGER NOT NULL, n INTEGER NOT NULL,
           value TEXT NOT NULL, PRIMARY KEY (record, path, slot)) STRICT;
         CREATE TABLE vector (record BLOB NOT NULL, slot INTEGER NOT NULL, n INTEGER NOT NULL,
           PRIMARY KEY (record, slot)) STRICT;",
    )?;
    let start = Instant::now();
    let tx = db.transaction()?;
    {
        let mut field =
            tx.prepare("INSERT OR REPLACE INTO field (record, path, slot, n, value) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut vector = tx.prepare("INSERT OR REPLACE INTO vector (record, slot, n) VALUES (?1, ?2, ?3)")?;
        for edit in edits {
            let (record, slot, n) =
                (edit.record.0.as_bytes().as_slice(), i64::try_from(edit.dot.slot.0)?, i64::try_from(edit.dot.n)?);
            for (path, value) in &edit.writes {
                field.execute((record, path.as_str(), slot, n, value.json()))?;
            }
            vector.execute((record, slot, n))?;
        }
    }
    tx.commit()?;
    Ok(start.elapsed())
}

/// `LIKE` over a plain table of words: what search costs without an index.
pub fn like(dir: &Path, words: &[String], queries: &[String]) -> Result<Times> {
    let mut db = Connection::open(dir.join("like.db"))?;
    db.execute_batch("CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;")?;
    let tx = db.transaction()?;
    {
        let mut insert = tx.prepare("INSERT INTO words (text) VALUES (?1)")?;
        for text in words {
            insert.execute([text])?;
        }
    }
    tx.commit()?;
    let mut select = db.prepare("SELECT id FROM words WHERE text LIKE ?1 ORDER BY id DESC LIMIT 50")?;
    let mut taken = Times::default();
    for query in queries {
        let start = Instant::now();
        let found: Vec<i64> = select.query_map([format!("%{query}%")], |row| row.get(0))?.collect::<Result<_, _>>()?;
        taken.add(start.elapsed());
        std::hint::black_box(found);
    }
    Ok(taken)
}

/// A 12-megapixel JPEG through the `image` crate: decode, Lanczos3 to 1,600 px, thumbnail, encode both.
pub fn photo(jpeg: &[u8]) -> Result<(Duration, Vec<u8>, image::DynamicImage)> {
    let start = Instant::now();
    let picture = image::load_from_memory(jpeg).context("decoding")?;
    let large = picture.resize(1_600, 1_600, image::imageops::FilterType::Lanczos3);
    let small = large.resize(320, 320, image::imageops::FilterType::Lanczos3);
    let packed = |picture: &image::DynamicImage| {
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture.to_rgb8())?;
        anyhow::Ok(bytes)
    };
    let bytes = packed(&large)?;
    std::hint::black_box(packed(&small)?);
    Ok((start.elapsed(), bytes, large))
}

/// Writing rows as CSV to a file, synced.
pub fn csv(dir: &Path, rows: &[(String, String)]) -> Result<Duration> {
    let start = Instant::now();
    let mut writer = csv::Writer::from_path(dir.join("floor.csv"))?;
    for (id, state) in rows {
        writer.write_record([id, state])?;
    }
    writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?.sync_all()?;
    Ok(start.elapsed())
}

async fn serve(router: Router) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}
