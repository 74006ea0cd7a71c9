//! Doing an operation again and again, with another step failing each time.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use shared::ids::{EditId, RecordId};
use tests::faults::{self, Fault, Loss, Plan, Watch};
use tests::released::copy;

use super::operations::{Operation, begin};
use super::world::{Side, World};

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub name: &'static str,
    fault: Fault,
    lasts: bool,
    loss: Loss,
}

const fn kind(name: &'static str, fault: Fault, lasts: bool) -> Kind {
    Kind { name, fault, lasts, loss: Loss::Unsynced }
}

const fn crash(name: &'static str, loss: Loss) -> Kind {
    Kind { name, fault: Fault::Crash, lasts: false, loss }
}

/// All of them. What was not synced is lost at the end of the others too.
pub const KINDS: [Kind; 12] = [
    kind("full once", Fault::Full, false),
    kind("full from then on", Fault::Full, true),
    kind("device error once", Fault::Io, false),
    kind("device error from then on", Fault::Io, true),
    kind("busy once", Fault::Busy, false),
    kind("busy from then on", Fault::Busy, true),
    kind("short read once", Fault::Short, false),
    kind("short read from then on", Fault::Short, true),
    crash("killed", Loss::Nothing),
    crash("power cut", Loss::Unsynced),
    crash("power cut, torn", Loss::Some(11)),
    crash("power cut, torn otherwise", Loss::Some(4_711)),
];

/// Panics of any thread: the product may not have any.
pub static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Where an operation begins, with what was acknowledged before.
pub struct Template {
    folder: tempfile::TempDir,
    saved: BTreeMap<RecordId, Vec<EditId>>,
    /// What the end looks like when nothing fails.
    end: String,
    /// Steps that can fail, by kind.
    points: BTreeMap<&'static str, u64>,
}

/// One try of an operation on a copy of its template.
struct Try<'a> {
    operation: &'a Operation,
    world: World,
    watch: Watch,
    // Goes last: the watch keeps things beside it.
    _folder: tempfile::TempDir,
}

impl Operation {
    /// The folder in which it begins, and how it ends undisturbed.
    pub fn template(&self, runtime: &Arc<tokio::runtime::Runtime>) -> Result<Template> {
        let folder = faults::folder()?;
        let mut world = World::new(&folder.path().join("root"), runtime);
        for side in [Side::Handheld, Side::Server] {
            fs::create_dir_all(world.folder(side))?;
        }
        begin(&mut world).context("the common beginning")?;
        (self.prepare)(&mut world).context("preparing")?;
        world.close(Side::Handheld);
        world.close(Side::Server);
        let saved = world.saved;
        let mut template = Template { folder, saved, end: String::new(), points: BTreeMap::new() };
        let mut one = self.begin(&template, runtime)?;
        one.watch.plan(None);
        if let Err(words) = (self.act)(&mut one.world) {
            bail!("undisturbed it fails: {words:?}");
        }
        template.points = KINDS.iter().map(|kind| (kind.name, one.watch.points(kind.fault))).collect();
        one.world.check().context("undisturbed")?;
        template.end = one.end()?;
        Ok(template)
    }

    fn begin<'a>(&'a self, template: &Template, runtime: &Arc<tokio::runtime::Runtime>) -> Result<Try<'a>> {
        let folder = faults::folder()?;
        let root = folder.path().join("root");
        copy(&template.folder.path().join("root"), &root)?;
        let mut world = World::new(&root, runtime);
        world.saved = template.saved.clone();
        let watch = faults::watch(&world.folder(self.side))?;
        let mut one = Try { operation: self, world, watch, _folder: folder };
        one.open(!self.opens)?;
        Ok(one)
    }

    /// Lets the step `at` fail in this way; false if there are not so many.
    pub fn point(
        &self,
        template: &Template,
        kind: Kind,
        at: u64,
        runtime: &Arc<tokio::runtime::Runtime>,
    ) -> Result<bool> {
        let mut one = self.begin(template, runtime)?;
        one.world.may_set_aside = kind.fault == Fault::Short;
        one.watch.plan(Some(Plan { fault: kind.fault, at, lasts: kind.lasts }));
        let first = (self.act)(&mut one.world);
        let struck = one.watch.struck();
        if !struck {
            ensure!(first.is_ok(), "without a fault it fails: {first:?}");
            return Ok(false);
        }
        if let Err(words) = &first {
            ensure!(words.say_something(), "it says {words:?}");
        }
        if kind.fault == Fault::Crash {
            one.world.close(self.side);
            one.watch.lose(kind.loss)?;
            one.open(!self.opens).context("after the crash")?;
        } else {
            one.watch.plan(None);
        }
        one.world.check().with_context(|| format!("after {first:?}"))?;
        if let Err(words) = (self.act)(&mut one.world) {
            bail!("it fails without a fault too: {words:?}, after {first:?}");
        }
        one.world.check().context("after the second try")?;
        let end = one.end()?;
        ensure!(end == template.end, "it ends otherwise:\n{}", difference(&template.end, &end));
        ensure!(PANICS.load(Ordering::SeqCst) == 0, "something panicked");
        Ok(true)
    }
}

impl Try<'_> {
    fn open(&mut self, watched: bool) -> Result<()> {
        for side in [Side::Server, Side::Handheld] {
            let is_open = match side {
                Side::Handheld => self.world.handheld.is_some(),
                Side::Server => self.world.app.is_some(),
            };
            let wanted = if side == self.operation.side { watched } else { self.operation.both };
            if wanted
                && !is_open
                && let Err(words) = self.world.open(side)
            {
                bail!("{side:?} does not open: {words:?}");
            }
        }
        Ok(())
    }

    /// Everything closed, what was not synced lost, and opened once more: what it looks like then.
    fn end(mut self) -> Result<String> {
        self.world.close(Side::Handheld);
        self.world.close(Side::Server);
        self.watch.lose(Loss::Unsynced)?;
        self.world.intact()?;
        self.open(true).context("at the end")?;
        self.world.check().context("at the end, after a power cut")?;
        let view = self.world.view()?;
        self.world.close(Side::Handheld);
        self.world.close(Side::Server);
        Ok(view)
    }
}

impl Template {
    /// How many steps can fail in this way.
    pub fn points(&self, kind: Kind) -> u64 {
        self.points.get(kind.name).copied().unwrap_or_default()
    }
}

/// The lines of one that the other has not.
pub fn difference(wanted: &str, got: &str) -> String {
    let only = |a: &str, b: &str, mark: &str| -> Vec<String> {
        let there: Vec<&str> = b.lines().collect();
        a.lines().filter(|line| !there.contains(line)).map(|line| format!("{mark} {line}")).take(20).collect()
    };
    let mut lines = only(wanted, got, "-");
    lines.extend(only(got, wanted, "+"));
    lines.join("\n")
}
