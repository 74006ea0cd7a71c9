//! The same with the server's records in PostgreSQL, and what can befall the two of them: the line between is cut, once or for
//! longer, the server dies, a process of PostgreSQL is killed, or all of it falls. At each message between them: before a word of
//! the server's, and before the answer to it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use shared::ids::{EditId, RecordId};
use sync_server::store::place;
use tests::dbline::{DbLine, Strike};
use tests::near::GRID;
use tests::postgres::Cluster;
use tests::released::copy;

use super::operations::{self, OPERATIONS, Operation, begin};
use super::sweep::{PANICS, difference};
use super::world::{Side, Words, World};

/// What befalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    One,
    Cut,
    Away,
    Died,
    Killed,
    Fell,
}

/// All of it, by the names in the table.
pub const KINDS: [(&str, Kind); 6] = [
    ("connection lost", Kind::One),
    ("line cut", Kind::Cut),
    ("line cut for longer", Kind::Away),
    ("server dies", Kind::Died),
    ("backend killed", Kind::Killed),
    ("PostgreSQL falls", Kind::Fell),
];

/// What is done to a server beyond what its files are tried with; two of them by its program.
const MORE: [Operation; 3] = [
    Operation {
        name: "enrol",
        side: Side::Server,
        opens: false,
        both: true,
        prepare: operations::no_handheld,
        act: operations::enrol,
    },
    Operation {
        name: IMPORT,
        side: Side::Server,
        opens: true,
        both: false,
        prepare: operations::nothing,
        act: bring_in,
    },
    Operation { name: MOVE, side: Side::Server, opens: true, both: false, prepare: operations::nothing, act: move_in },
];
const IMPORT: &str = "import by command";
const MOVE: &str = "migrate-store by command";

/// All that is done.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    let there = OPERATIONS.iter().filter(|one| one.side == Side::Server);
    // Older files, and backups of files, are not in PostgreSQL.
    there.filter(|one| !["migrate", "backup", "restore"].contains(&one.name)).chain(&MORE)
}

/// Runs the server's program on its folder.
fn command(world: &World, words: &[&str]) -> Result<(), Words> {
    let run = || -> Result<std::process::Output> {
        let mut command = Command::new(tests::process::program("sync-server")?);
        command.args(words).arg("--data").arg(world.folder(Side::Server)).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn()?;
        world.program.store(child.id(), Ordering::SeqCst);
        let done = child.wait_with_output();
        world.program.store(0, Ordering::SeqCst);
        Ok(done?)
    };
    match run() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(Words(format!("it ended, {}: {}", done.status, String::from_utf8_lossy(&done.stderr)))),
        Err(error) => Err(Words(format!("the test itself failed: {error:#}"))),
    }
}

fn bring_in(world: &mut World) -> Result<(), Words> {
    world.close(Side::Server);
    let mut table = "姓名,现住址,联系电话\n".to_owned();
    for n in 0..30 {
        writeln!(table, "搬来的{n:02},石井村三组 {n} 号,138000001{n:02}").ok();
    }
    let file = world.root.join("residents.csv");
    fs::write(&file, table).map_err(|error| Words(error.to_string()))?;
    command(world, &["import", &file.to_string_lossy(), "--area", &GRID.to_string()])?;
    world.open_server()
}

/// Where a database holds all of it already, and the folder never heard of that, into another one.
fn move_in(world: &mut World) -> Result<(), Words> {
    world.close(Side::Server);
    while !world.folder(Side::Server).join(place::ADDRESS).exists() {
        let to = world.empty.last().cloned().ok_or_else(|| Words("the test itself has no database".to_owned()))?;
        match command(world, &["migrate-store", "--to", &to]) {
            Err(words) if words.0.contains("exists already") && world.empty.len() > 1 => {
                world.empty.pop();
            }
            done => done?,
        }
    }
    world.open_server()
}

/// A PostgreSQL, the line to it, and what is common to all that is tried there.
pub struct Ground {
    cluster: RefCell<Cluster>,
    line: DbLine,
    databases: Cell<u64>,
    bases: RefCell<BTreeMap<bool, Arc<Template>>>,
    /// Its writer of the log when one of its processes was killed: it makes all of them anew then.
    before: Arc<Mutex<String>>,
    runtime: Arc<tokio::runtime::Runtime>,
}

/// Where an operation begins, with what was acknowledged before.
pub struct Template {
    folder: tempfile::TempDir,
    /// The name of its database; none where there is a file.
    database: Option<String>,
    saved: BTreeMap<RecordId, Vec<EditId>>,
    /// What the end looks like when nothing befalls.
    end: String,
    /// How many messages there are.
    pub points: u64,
    /// Those that ask for a commit.
    pub commits: Vec<u64>,
}

/// One try on a copy of a template.
struct Try<'a> {
    ground: &'a Ground,
    operation: &'a Operation,
    world: World,
    folder: tempfile::TempDir,
    database: Option<String>,
}

impl Ground {
    pub fn new(runtime: Arc<tokio::runtime::Runtime>) -> Result<Self> {
        let cluster = Cluster::start()?;
        let line = DbLine::to(cluster.socket())?;
        let (bases, databases) = (RefCell::default(), Cell::new(0));
        Ok(Self { cluster: RefCell::new(cluster), line, databases, bases, before: Arc::default(), runtime })
    }

    /// A database of its own, empty or like another one.
    fn database(&self, like: Option<&str>) -> Result<String> {
        let name = format!("d{}", self.databases.replace(self.databases.get() + 1));
        let like = like.map_or(String::new(), |like| format!("TEMPLATE {like} STRATEGY FILE_COPY"));
        let sql = format!("CREATE DATABASE {name} {like}");
        let cluster = self.cluster.borrow();
        // Who was connected to the other one has let go of it and may not be gone yet.
        let mut tries = 0;
        while let Err(error) = cluster.sql_in("postgres", &sql) {
            tries += 1;
            ensure!(tries < 1_000, "{error}");
        }
        Ok(name)
    }

    fn world(&self, root: &Path, database: Option<&str>) -> Result<World> {
        let mut world = World::new(root, &self.runtime);
        for side in [Side::Handheld, Side::Server] {
            fs::create_dir_all(world.folder(side))?;
        }
        if let Some(name) = database {
            fs::write(world.folder(Side::Server).join(place::ADDRESS), self.line.address(name))?;
        } else {
            world.empty = vec![self.line.address(&self.database(None)?), self.line.address(&self.database(None)?)];
        }
        Ok(world)
    }

    /// The common beginning, in PostgreSQL or in a file.
    fn base(&self, in_file: bool) -> Result<Arc<Template>> {
        if let Some(made) = self.bases.borrow().get(&in_file) {
            return Ok(Arc::clone(made));
        }
        let folder = tempfile::tempdir()?;
        let database = if in_file { None } else { Some(self.database(None)?) };
        let mut world = self.world(&folder.path().join("root"), database.as_deref())?;
        begin(&mut world).context("the common beginning")?;
        world.close(Side::Handheld);
        world.close(Side::Server);
        let made = Arc::new(Template {
            folder,
            database,
            saved: world.saved,
            end: String::new(),
            points: 0,
            commits: Vec::new(),
        });
        self.bases.borrow_mut().insert(in_file, Arc::clone(&made));
        Ok(made)
    }

    fn begin<'a>(&'a self, operation: &'a Operation, template: &Template) -> Result<Try<'a>> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("root");
        copy(&template.folder.path().join("root"), &root)?;
        let database = template.database.as_ref().map(|like| self.database(Some(like))).transpose()?;
        let mut world = self.world(&root, database.as_deref())?;
        world.saved = template.saved.clone();
        Ok(Try { ground: self, operation, world, folder, database })
    }

    /// Where it begins, and how it ends undisturbed.
    pub fn template(&self, operation: &Operation) -> Result<Template> {
        let base = self.base(operation.name == MOVE)?;
        let mut one = self.begin(operation, &base)?;
        one.open(true, true)?;
        (operation.prepare)(&mut one.world).context("preparing")?;
        one.world.close(Side::Handheld);
        one.world.close(Side::Server);
        let Try { world, folder, mut database, .. } = one;
        // A server that is still to be made has a database that is still empty.
        if database.is_some() && !world.folder(Side::Server).join(place::ADDRESS).exists() {
            database = Some(self.database(None)?);
        }
        let mut template =
            Template { folder, database, saved: world.saved, end: String::new(), points: 0, commits: Vec::new() };
        let mut one = self.begin(operation, &template)?;
        one.open(!operation.opens, operation.both)?;
        self.line.plan(None);
        if let Err(words) = (operation.act)(&mut one.world) {
            bail!("undisturbed it fails: {words:?}");
        }
        (template.points, template.commits) = (self.line.passed(), self.line.commits());
        one.world.check().context("undisturbed")?;
        template.end = one.end()?;
        Ok(template)
    }

    fn strike(&self, kind: Kind, one: &Try<'_>) -> Result<Strike> {
        let cluster = self.cluster.borrow();
        let socket = cluster.socket().to_owned();
        Ok(match kind {
            Kind::One => Strike::One,
            Kind::Cut => Strike::Cut,
            // The program, where it is one; of a server in this process PostgreSQL hears no more.
            Kind::Died if one.is_program() => {
                let program = Arc::clone(&one.world.program);
                Strike::Done(Box::new(move || {
                    let pid = program.load(Ordering::SeqCst);
                    assert!(pid == 0 || kill("-KILL", &pid.to_string()), "{pid}");
                }))
            }
            Kind::Away | Kind::Died => Strike::Away,
            Kind::Killed => Strike::Done(Box::new({
                let before = Arc::clone(&self.before);
                move || {
                    *before.lock().expect("nobody panicked") =
                        writer(&socket).expect("PostgreSQL says who writes its log");
                    let who = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sync-server' ORDER BY state_change DESC";
                    let pid = tests::postgres::psql(&socket, "postgres", &format!("{who} LIMIT 1"));
                    let pid = pid.expect("PostgreSQL says who is connected");
                    assert!(kill("-KILL", &pid), "{pid}");
                }
            })),
            Kind::Fell => {
                let pid = cluster.pid().context("it runs")?.to_string();
                Strike::Done(Box::new(move || {
                    assert!(kill("-QUIT", &pid), "{pid}");
                    while UnixStream::connect(socket.join(".s.PGSQL.5432")).is_ok() {}
                }))
            }
        })
    }

    /// Everything stands again, and a server that goes on has seen it.
    fn mend(&self, kind: Kind, one: &mut Try<'_>) -> Result<()> {
        match kind {
            Kind::One | Kind::Cut | Kind::Away => {}
            // What it had in memory is lost.
            Kind::Died => one.world.close(Side::Server),
            Kind::Killed => {
                let (cluster, before) = (self.cluster.borrow(), self.before.lock().expect("nobody panicked").clone());
                while writer(cluster.socket()).is_ok_and(|now| now == before) {}
                cluster.until_it_answers()?;
            }
            Kind::Fell => {
                self.cluster.borrow_mut().stop()?;
                self.cluster.borrow_mut().go()?;
            }
        }
        self.line.heal();
        if kind == Kind::Died {
            one.open(!one.operation.opens, one.operation.both).context("after it died")?;
        }
        if let (IMPORT, Some(name)) = (one.operation.name, &one.database) {
            // Of one that says nothing for two minutes nobody thinks that it is still at it: so long ago it was.
            let ago = "UPDATE import SET body = regexp_replace(body, '\"touched\":\"[^\"]*\"', '\"touched\":\"2026-01-01T00:00:00Z\"')";
            self.cluster.borrow().sql_in(name, ago)?;
        }
        let (mut well, mut tries) = (0, 0);
        while let Some(app) = one.world.app.as_ref().filter(|_| well < 20) {
            tries += 1;
            match app.store.epoch() {
                Ok(_) => well += 1,
                Err(error) => {
                    ensure!(tries < 1_000, "the server does not find back: {error}");
                    well = 0;
                }
            }
        }
        Ok(())
    }

    /// Lets it befall at the message `at`; false if there are not so many.
    pub fn point(&self, operation: &Operation, template: &Template, kind: Kind, at: u64) -> Result<bool> {
        let mut one = self.begin(operation, template)?;
        one.open(!operation.opens, operation.both)?;
        self.line.plan(Some((at, self.strike(kind, &one)?)));
        let first = (operation.act)(&mut one.world);
        if !self.line.struck() {
            self.line.heal();
            ensure!(first.is_ok(), "nothing befell and it fails: {first:?}");
            return Ok(false);
        }
        if let Err(words) = &first {
            ensure!(words.say_something(), "it says {words:?}");
        }
        self.mend(kind, &mut one)?;
        one.world.check().with_context(|| format!("after {first:?}"))?;
        if let Err(words) = (operation.act)(&mut one.world) {
            bail!("it fails afterwards too: {words:?}, after {first:?}");
        }
        one.world.check().context("after the second try")?;
        let end = one.end()?;
        ensure!(end == template.end, "it ends otherwise:\n{}", difference(&template.end, &end));
        ensure!(PANICS.load(Ordering::SeqCst) == 0, "something panicked");
        Ok(true)
    }
}

/// The process of PostgreSQL that writes its log.
fn writer(socket: &Path) -> Result<String> {
    tests::postgres::psql(socket, "postgres", "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
}

fn kill(signal: &str, pid: &str) -> bool {
    Command::new("kill").args([signal, pid]).status().is_ok_and(|done| done.success())
}

impl Try<'_> {
    fn is_program(&self) -> bool {
        [IMPORT, MOVE].contains(&self.operation.name)
    }

    fn open(&mut self, server: bool, handheld: bool) -> Result<()> {
        for (side, wanted) in [(Side::Server, server), (Side::Handheld, handheld)] {
            let is_open = match side {
                Side::Handheld => self.world.handheld.is_some(),
                Side::Server => self.world.app.is_some(),
            };
            if wanted
                && !is_open
                && let Err(words) = self.world.open(side)
            {
                bail!("{side:?} does not open: {words:?}");
            }
        }
        Ok(())
    }

    /// Everything closed, and opened once more: what it looks like then.
    fn end(mut self) -> Result<String> {
        self.world.close(Side::Handheld);
        self.world.close(Side::Server);
        self.open(true, self.operation.both).context("at the end")?;
        self.world.check().context("at the end")?;
        let view = self.world.view()?;
        self.world.close(Side::Handheld);
        self.world.close(Side::Server);
        // What is brought in gets its ids by chance.
        let by_chance = self.operation.name == IMPORT;
        let mut lines: Vec<&str> = view.lines().map(|line| if by_chance { without_id(line) } else { line }).collect();
        if by_chance {
            lines.sort_unstable();
        }
        if let Some(name) = &self.database {
            let cluster = self.ground.cluster.borrow();
            cluster.sql_in("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))?;
        }
        drop(self.folder);
        Ok(lines.join("\n"))
    }
}

fn without_id(line: &str) -> &str {
    match line.strip_prefix(" record ") {
        Some(rest) => rest.split_once(' ').map_or(line, |(_, rest)| rest),
        None => line,
    }
}
