//! The single steps that everything else is made of. With `faults` each is asked about and noted before it is done.

use std::fs;
use std::io;
use std::path::Path;

#[cfg(feature = "faults")]
use crate::faults::{self, Op};

use crate::Access;

#[cfg(feature = "faults")]
fn ask(op: Op, path: &Path) -> io::Result<()> {
    faults::ask(op, path).map_err(|fault| fault.error())
}

/// Opening or asking for something without changing it.
pub fn look(path: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    ask(Op::Look, path)?;
    #[cfg(not(feature = "faults"))]
    let _: &Path = path;
    Ok(())
}

/// Before a file is made, or emptied if it is there.
pub fn create(path: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Create, path)?;
        faults::creating(path)?;
        if path.exists() {
            faults::cutting(path, 0)?;
        }
    }
    #[cfg(not(feature = "faults"))]
    let _: &Path = path;
    Ok(())
}

/// How many of `wanted` bytes may be read.
pub fn read(path: &Path, wanted: usize) -> io::Result<usize> {
    #[cfg(feature = "faults")]
    match faults::ask(Op::Read, path) {
        Ok(()) => {}
        // The file ends too early.
        Err(faults::Fault::Short) => return Ok(0),
        Err(fault) => return Err(fault.error()),
    }
    #[cfg(not(feature = "faults"))]
    let _: &Path = path;
    Ok(wanted)
}

/// Before a write; on a fault, how many bytes still get through, and the error.
#[cfg(feature = "faults")]
pub fn write(path: &Path, offset: u64, length: usize) -> Result<(), (usize, io::Error)> {
    let asked = faults::ask(Op::Write, path);
    let part = match asked {
        Ok(()) => length,
        Err(faults::Fault::Full) => length / 2,
        Err(_) => 0,
    };
    faults::writing(path, offset, part).map_err(|error| (0, error))?;
    asked.map_err(|fault| (part, fault.error()))
}

pub fn set_len(path: &Path, length: u64) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Truncate, path)?;
        faults::cutting(path, length)?;
    }
    #[cfg(not(feature = "faults"))]
    let _: (&Path, u64) = (path, length);
    Ok(())
}

pub fn sync(path: &Path, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        if let Err(fault) = faults::ask(Op::Sync, path) {
            faults::sync_failed(path);
            return Err(fault.error());
        }
        if faults::flushes(path) {
            work()?;
        }
        faults::synced(path);
        Ok(())
    }
    #[cfg(not(feature = "faults"))]
    {
        let _: &Path = path;
        work()
    }
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Rename, to)?;
        faults::renaming(from, to)?;
    }
    fs::rename(from, to)
}

pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Link, to)?;
        if !to.exists() {
            faults::creating(to)?;
        }
    }
    fs::hard_link(from, to)
}

/// Whether a test asked for this very error: then nothing is tried in its place.
pub fn failed_by_plan(error: &io::Error) -> bool {
    #[cfg(feature = "faults")]
    return faults::is_planned(error);
    #[cfg(not(feature = "faults"))]
    {
        let _: &io::Error = error;
        false
    }
}

pub fn remove_file(path: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Remove, path)?;
        faults::removing(path)?;
    }
    fs::remove_file(path)
}

pub fn remove_dir(path: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Remove, path)?;
        faults::removing(path)?;
    }
    fs::remove_dir(path)
}

pub fn make_dir(path: &Path, access: Access) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::Create, path)?;
        faults::creating(path)?;
    }
    #[allow(unused_mut, reason = "on Unix its mode is set")]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    #[cfg(not(unix))]
    let _: Access = access;
    builder.create(path)
}

pub fn sync_dir(folder: &Path) -> io::Result<()> {
    #[cfg(feature = "faults")]
    {
        ask(Op::SyncDir, folder)?;
        if !faults::flushes(folder) {
            faults::synced_dir(folder);
            return Ok(());
        }
    }
    // Elsewhere a folder cannot be opened; its names are the file system's business.
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    #[cfg(feature = "faults")]
    faults::synced_dir(folder);
    Ok(())
}
