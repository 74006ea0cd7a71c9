//! The photos of a batch: `photos.zip`, entries `<hash>.jpg` by hash, stored as they are, without times: the same photos make
//! the same file. Every format names them by their hashes, whether it is there or not.

use std::collections::BTreeSet;
use std::io::{self, Write};

use shared::area::AreaTree;
use shared::ids::PhotoHash;
use shared::view;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::BatchError;
use super::cut::Piece;
use crate::auth::Who;
use crate::blobs::Blobs;
use crate::store::{Read, StoreError};
use crate::sync::photos::may_see;

/// The name of the file.
pub const NAME: &str = "photos.zip";

/// The photos of the records of a batch.
#[derive(Debug, Default)]
pub struct Photos {
    /// Those that go into it, once it was looked for them ([`Self::look`]).
    here: BTreeSet<PhotoHash>,
    /// Those that have not arrived; they are told as a number.
    missing: BTreeSet<PhotoHash>,
}

impl Photos {
    /// Adds those of a piece that `who` may see. The others are missing, be it that they have not arrived, or that who linked
    /// them never had them: which of the two, nobody is told.
    pub fn add(&mut self, read: &dyn Read, who: &Who, areas: &AreaTree, piece: &Piece) -> Result<(), StoreError> {
        let of_line = piece.lines.iter().flat_map(|line| view::many(&line.open, "photos"));
        for hash in of_line.filter_map(|(hash, _)| hash.parse::<PhotoHash>().ok()) {
            let here = read.photo(&hash)?.is_some() && may_see(read, who, areas, &hash)?;
            if here {
                self.here.insert(hash)
            } else {
                self.missing.insert(hash)
            };
        }
        Ok(())
    }

    /// Looks which of them are kept where photos are.
    pub fn look(&mut self, blobs: &dyn Blobs) -> Result<(), BatchError> {
        for hash in blobs.lacking(&self.here).map_err(BatchError::io("looking for photos"))? {
            self.here.remove(&hash);
            self.missing.insert(hash);
        }
        Ok(())
    }

    /// How many go into the file.
    pub fn here(&self) -> u64 {
        u64::try_from(self.here.len()).unwrap_or(u64::MAX)
    }

    /// How many do not.
    pub fn missing(&self) -> u64 {
        u64::try_from(self.missing.len()).unwrap_or(u64::MAX)
    }

    /// Writes the file, one photo after the other. One that was erased meanwhile fails it, and with it the batch; the next
    /// attempt is without.
    pub fn write(&self, blobs: &dyn Blobs, out: &mut dyn Write) -> io::Result<()> {
        // Without a time of its own: that would make each file another one.
        let plain = SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o644);
        let stored = plain.compression_method(CompressionMethod::Stored);
        let mut zip = ZipWriter::new_stream(out);
        for hash in &self.here {
            zip.start_file(format!("{hash}.jpg"), stored).map_err(io::Error::other)?;
            zip.write_all(&blobs.read(hash)?)?;
        }
        zip.finish().map_err(io::Error::other)?;
        Ok(())
    }
}
