//! What is on the disk only in the system's memory: for each changed block of a file the bytes the disk has, for each
//! changed name what the disk has under it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Loss;

/// As Linux keeps them.
const BLOCK: u64 = 4096;

/// Device and inode: a file whatever its name.
type Id = (u64, u64);

struct Block {
    /// The bytes on the disk; fewer than a block at the end of the file.
    durable: Vec<u8>,
    /// A sync failed: the system takes the block for clean and will not write it again.
    given_up: bool,
}

struct Bytes {
    file: fs::File,
    /// The length on the disk.
    length: u64,
    length_given_up: bool,
    blocks: BTreeMap<u64, Block>,
}

/// What the disk has under a name.
enum Name {
    Nothing,
    /// A second name of the file.
    File(PathBuf),
    Folder,
}

pub struct Unsynced {
    /// Second names of files whose first name is gone but not on the disk.
    attic: PathBuf,
    kept: u64,
    bytes: BTreeMap<Id, Bytes>,
    names: BTreeMap<PathBuf, Name>,
    /// Folders that were given another name, in order.
    moved: Vec<(PathBuf, PathBuf)>,
}

fn id(path: &Path) -> io::Result<Option<Id>> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some((file.dev(), file.ino()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &fs::File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let read = file.read_at(rest, offset + done as u64)?;
        if read == 0 {
            break;
        }
        done += read;
    }
    bytes.truncate(done);
    Ok(bytes)
}

impl Unsynced {
    pub fn beside(root: &Path) -> io::Result<Self> {
        let mut attic = root.as_os_str().to_owned();
        attic.push(".attic");
        let attic = PathBuf::from(attic);
        fs::create_dir_all(&attic)?;
        Ok(Self { attic, kept: 0, bytes: BTreeMap::new(), names: BTreeMap::new(), moved: Vec::new() })
    }

    fn bytes_of(&mut self, path: &Path) -> io::Result<Option<&mut Bytes>> {
        let Some(id) = id(path)? else { return Ok(None) };
        Ok(Some(match self.bytes.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
                let length = file.metadata()?.len();
                entry.insert(Bytes { file, length, length_given_up: false, blocks: BTreeMap::new() })
            }
        }))
    }

    pub fn writing(&mut self, path: &Path, offset: u64, length: u64) -> io::Result<()> {
        match self.bytes_of(path)? {
            Some(bytes) => {
                bytes.length_given_up = false;
                bytes.keep(offset, offset + length)
            }
            None => Ok(()),
        }
    }

    pub fn cutting(&mut self, path: &Path, length: u64) -> io::Result<()> {
        match self.bytes_of(path)? {
            Some(bytes) => {
                bytes.length_given_up = false;
                let end = bytes.file.metadata()?.len().max(length);
                bytes.keep(length, end)
            }
            None => Ok(()),
        }
    }

    pub fn synced(&mut self, path: &Path) {
        let Ok(Some(id)) = id(path) else { return };
        if let Some(bytes) = self.bytes.get_mut(&id) {
            bytes.blocks.retain(|_, block| block.given_up);
            if !bytes.length_given_up {
                bytes.length = bytes.file.metadata().map_or(bytes.length, |file| file.len());
                if bytes.blocks.is_empty() {
                    self.bytes.remove(&id);
                }
            }
        }
    }

    pub fn sync_failed(&mut self, path: &Path) {
        let Ok(Some(id)) = id(path) else { return };
        if let Some(bytes) = self.bytes.get_mut(&id) {
            bytes.length_given_up = true;
            bytes.blocks.values_mut().for_each(|block| block.given_up = true);
        }
    }

    /// A name is about to be made, to go, or to stand for something else.
    pub fn touching(&mut self, path: &Path) -> io::Result<()> {
        if self.names.contains_key(path) {
            return Ok(());
        }
        let name = match fs::symlink_metadata(path) {
            Ok(about) if about.is_dir() => Name::Folder,
            Ok(_) => {
                self.kept += 1;
                let second = self.attic.join(self.kept.to_string());
                fs::hard_link(path, &second)?;
                Name::File(second)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Name::Nothing,
            Err(error) => return Err(error),
        };
        self.names.insert(path.to_owned(), name);
        Ok(())
    }

    pub fn renaming(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if from.is_dir() {
            self.moved.push((from.to_owned(), to.to_owned()));
            self.carry_names(from, to);
            return Ok(());
        }
        self.touching(from)?;
        self.touching(to)
    }

    /// Names in a folder go with it.
    fn carry_names(&mut self, from: &Path, to: &Path) {
        let below: Vec<PathBuf> = self.names.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in below {
            if let (Some(name), Ok(rest)) = (self.names.remove(&path), path.strip_prefix(from)) {
                let place = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
                self.names.insert(place, name);
            }
        }
    }

    pub fn synced_dir(&mut self, folder: &Path) {
        self.names.retain(|path, name| {
            let stays = path.parent() != Some(folder);
            if let (false, Name::File(second)) = (stays, name) {
                fs::remove_file(second).ok();
            }
            stays
        });
        self.moved.retain(|(_, to)| to.parent() != Some(folder));
    }

    /// Puts back what the disk has.
    pub fn lose(&mut self, loss: Loss) -> io::Result<()> {
        let mut coin = match loss {
            Loss::Nothing => None,
            Loss::Unsynced => Some(Coin { state: 0, always: true }),
            Loss::Some(seed) => Some(Coin { state: seed | 1, always: false }),
        };
        let bytes = std::mem::take(&mut self.bytes);
        let names = std::mem::take(&mut self.names);
        let moved = std::mem::take(&mut self.moved);
        if let Some(coin) = coin.as_mut() {
            for bytes in bytes.into_values() {
                bytes.lose(coin)?;
            }
            // Names belong together: a rename is two of them.
            if coin.toss() {
                self.lose_names(names, moved)?;
            }
        }
        fs::remove_dir_all(&self.attic)?;
        fs::create_dir_all(&self.attic)
    }

    fn lose_names(&mut self, names: BTreeMap<PathBuf, Name>, moved: Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
        self.names = names;
        for (from, to) in moved.into_iter().rev() {
            if to.exists() {
                fs::rename(&to, &from)?;
            }
            self.carry_names(&to, &from);
        }
        // A folder comes before what is in it.
        for (path, name) in std::mem::take(&mut self.names) {
            match fs::symlink_metadata(&path) {
                Ok(about) if about.is_dir() => {
                    if !matches!(name, Name::Folder) {
                        fs::remove_dir_all(&path)?;
                    }
                }
                Ok(_) => fs::remove_file(&path)?,
                Err(_) => {}
            }
            match name {
                Name::Folder => fs::create_dir_all(&path)?,
                // Its folder is gone if that was not on the disk either.
                Name::File(second) if path.parent().is_some_and(Path::is_dir) => fs::rename(second, &path)?,
                Name::File(_) | Name::Nothing => {}
            }
        }
        Ok(())
    }
}

impl Drop for Unsynced {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.attic).ok();
    }
}

impl Bytes {
    /// Keeps what the disk has of the blocks between `from` and `to`, which are about to change.
    fn keep(&mut self, from: u64, to: u64) -> io::Result<()> {
        for number in from / BLOCK..to.div_ceil(BLOCK) {
            match self.blocks.get_mut(&number) {
                Some(block) => block.given_up = false,
                None => {
                    let start = number * BLOCK;
                    // Beyond the durable length there is nothing on the disk, whatever the file shows there.
                    let most = self.length.saturating_sub(start).min(BLOCK);
                    let durable = read_at(&self.file, start, most)?;
                    self.blocks.insert(number, Block { durable, given_up: false });
                }
            }
        }
        Ok(())
    }

    fn lose(self, coin: &mut Coin) -> io::Result<()> {
        let now = self.file.metadata()?.len();
        let lose_length = now != self.length && coin.toss();
        if lose_length {
            self.file.set_len(self.length)?;
        }
        let end = if lose_length { self.length } else { now };
        for (number, block) in self.blocks {
            let start = number * BLOCK;
            if start >= end || !coin.toss() {
                continue;
            }
            let most = usize::try_from((end - start).min(BLOCK)).unwrap_or_default();
            let mut bytes = block.durable;
            // Where the disk never had anything there are zeros.
            bytes.resize(most, 0);
            self.file.write_all_at(&bytes, start)?;
        }
        Ok(())
    }
}

/// A choice that replays.
struct Coin {
    state: u64,
    always: bool,
}

impl Coin {
    fn toss(&mut self) -> bool {
        if self.always {
            return true;
        }
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63 == 1
    }
}
