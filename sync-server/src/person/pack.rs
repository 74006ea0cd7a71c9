//! The file: a ZIP of the page, `person.json`, `history.ndjson` and the photos. The same for the same data, to the byte.

use std::io::{self, Write};

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::gather::Gathered;
use super::{PersonError, page};
use crate::AppState;

/// Writes it, photos one after the other.
pub fn pack(app: &AppState, gathered: &Gathered, out: impl Write) -> Result<(), PersonError> {
    // Without a time of its own: that would make each file another one.
    let plain = SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o644);
    let texts = plain.compression_method(CompressionMethod::Deflated);
    let mut zip = ZipWriter::new_stream(out);
    zip.start_file("index.html", texts).map_err(io)?;
    zip.write_all(page::page(gathered).into_string().as_bytes())?;
    zip.start_file("person.json", texts).map_err(io)?;
    serde_json::to_writer_pretty(&mut zip, &gathered.told)?;
    zip.write_all(b"\n")?;
    zip.start_file("history.ndjson", texts).map_err(io)?;
    for line in &gathered.history {
        serde_json::to_writer(&mut zip, line)?;
        zip.write_all(b"\n")?;
    }
    for hash in &gathered.photos {
        zip.start_file(format!("photos/{hash}.jpg"), plain.compression_method(CompressionMethod::Stored))
            .map_err(io)?;
        zip.write_all(&app.blobs.read(hash)?)?;
    }
    zip.finish().map_err(io)?;
    Ok(())
}

fn io(error: zip::result::ZipError) -> io::Error {
    io::Error::other(error)
}
