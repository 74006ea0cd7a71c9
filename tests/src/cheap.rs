//! A stand-in for a cheap handheld: a process that has an eighth of one processor and half a gigabyte.
//!
//! By the kernel's control groups where this account may make one, version 2 or 1; else by stopping the process and letting it
//! go on in turns, and then its memory has no limit.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// In microseconds. Short, for a slow processor is slow all the time and not fast now and then.
const PERIOD: u64 = 40_000;
/// Of each period.
const SHARE: u64 = PERIOD / 8;
/// In bytes.
const MEMORY: u64 = 512 * 1024 * 1024;

/// Holds processes back until it is dropped, after they ended.
pub struct Cheap(How);

enum How {
    /// The groups, and in which file the most memory there was stands.
    Groups { version: u8, folders: Vec<PathBuf>, peak: PathBuf },
    /// One shell a process.
    Stopping(Vec<Child>),
}

impl Cheap {
    /// By what this machine has. `CHEAP_BY=stopping` takes the last way at once.
    pub fn new() -> Self {
        if std::env::var_os("CHEAP_BY").is_none_or(|by| by != "stopping")
            && let Some(groups) = second().or_else(first)
        {
            return Self(groups);
        }
        Self(How::Stopping(Vec::new()))
    }

    /// Holds a process back from now on.
    pub fn take(&mut self, pid: u32) -> Result<()> {
        match &mut self.0 {
            How::Groups { folders, .. } => {
                for folder in folders {
                    put(&folder.join("cgroup.procs"), pid)?;
                }
            }
            How::Stopping(shells) => {
                let (rest, run) = ((PERIOD - SHARE) as f64 / 1e6, SHARE as f64 / 1e6);
                let turns =
                    format!("while kill -STOP {pid} && sleep {rest}; do kill -CONT {pid} || exit; sleep {run}; done");
                let shell = Command::new("sh").args(["-c", &turns]).stderr(Stdio::null()).spawn();
                shells.push(shell.context("starting a shell")?);
            }
        }
        Ok(())
    }

    /// By which way.
    pub fn words(&self) -> String {
        match &self.0 {
            How::Groups { version, .. } => {
                format!("control groups, version {version}: {SHARE} µs of every {PERIOD} µs, {} MB", MEMORY >> 20)
            }
            How::Stopping(_) => {
                format!("stopped for {} µs of every {PERIOD} µs, memory without a limit", PERIOD - SHARE)
            }
        }
    }

    /// The most memory that was taken, with what the kernel keeps of files for it, in MB; where the kernel counts it.
    pub fn peak(&self) -> Option<f64> {
        let How::Groups { peak, .. } = &self.0 else { return None };
        let bytes: f64 = std::fs::read_to_string(peak).ok()?.trim().parse().ok()?;
        Some(bytes / f64::from(1 << 20))
    }
}

impl Default for Cheap {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Cheap {
    fn drop(&mut self) {
        match &mut self.0 {
            // One with a process in it stays, which the kernel says by an error.
            How::Groups { folders, .. } => folders.iter().for_each(|folder| drop(std::fs::remove_dir(folder))),
            How::Stopping(shells) => {
                for shell in shells {
                    // It ends by itself with its process.
                    shell.kill().ok();
                    shell.wait().ok();
                }
            }
        }
    }
}

fn put(file: &Path, what: impl ToString) -> Result<()> {
    std::fs::write(file, what.to_string()).with_context(|| format!("writing {}", file.display()))
}

/// Where the groups of a controller begin and the group of this process, from the root on; of version 2 without a name.
fn own(controller: &str) -> Option<(PathBuf, String)> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut parts = line.split(' ').skip(1);
        let (folder, kind, options) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        fits.then(|| PathBuf::from(folder))
    })?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, group) = (parts.next()?, parts.next()?);
        names.split(',').any(|name| name == controller).then(|| group.trim_start_matches('/').to_owned())
    })?;
    Some((mount, group))
}

/// A group below that of this process, or below one above it, with these limits.
fn group(controller: &str, limits: &[(&str, String)]) -> Option<PathBuf> {
    let (mount, own) = own(controller)?;
    let below: Vec<PathBuf> = Path::new(&own).ancestors().map(|group| mount.join(group)).collect();
    below.into_iter().find_map(|parent| {
        if controller.is_empty() {
            // It may be on already, or not to be had here: the limits say.
            put(&parent.join("cgroup.subtree_control"), "+cpu +memory").ok();
        }
        let folder = parent.join(format!("cheap-{}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        let set = || -> Result<()> {
            for (name, value) in limits {
                put(&folder.join(name), value)?;
            }
            if !folder.join("cgroup.procs").exists() {
                bail!("no group");
            }
            Ok(())
        };
        if set().is_err() {
            std::fs::remove_dir(&folder).ok();
            return None;
        }
        Some(folder)
    })
}

fn second() -> Option<How> {
    let limits = [("cpu.max", format!("{SHARE} {PERIOD}")), ("memory.max", MEMORY.to_string())];
    let folder = group("", &limits)?;
    Some(How::Groups { version: 2, peak: folder.join("memory.peak"), folders: vec![folder] })
}

fn first() -> Option<How> {
    let cpu = group("cpu", &[("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", SHARE.to_string())])?;
    let Some(memory) = group("memory", &[("memory.limit_in_bytes", MEMORY.to_string())]) else {
        std::fs::remove_dir(&cpu).ok();
        return None;
    };
    Some(How::Groups { version: 1, peak: memory.join("memory.max_usage_in_bytes"), folders: vec![cpu, memory] })
}
