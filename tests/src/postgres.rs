//! A PostgreSQL of the tests' own, from Debian's package: as safe as a real one, on a socket in a folder that goes with it.
//!
//! In memory where there is a folder for that: what is tested here is what a process does with it, not the disk.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Names a cluster that runs already: the folder of its socket.
pub const SHARED: &str = "TEST_POSTGRES";

/// A running cluster; it ends with the value, and with the test's thread if that is killed.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    server: Option<Child>,
}

/// Where the newest PostgreSQL's programs are.
fn programs() -> Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let version = newest.context("PostgreSQL is missing: run tests/setup.sh postgres")?;
    Ok(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}

/// Who runs the tests.
fn who() -> Result<u32> {
    Ok(std::fs::metadata("/proc/self")?.uid())
}

/// A program of the cluster: PostgreSQL refuses to run as root.
fn command(program: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if who()? == 0 {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn done(command: &mut Command, what: &str) -> Result<()> {
    ensure!(command.status().with_context(|| format!("running {what}"))?.success(), "{what} failed");
    Ok(())
}

/// A folder of the cluster's owner.
fn folder() -> Result<tempfile::TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("pg");
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { folder.tempdir_in(memory) } else { folder.tempdir() }?;
    if who()? == 0 {
        done(Command::new("chown").arg("postgres").arg(folder.path()), "chown")?;
    }
    Ok(folder)
}

impl Cluster {
    /// A new one, in memory.
    pub fn start() -> Result<Self> {
        Self::made(folder()?)
    }

    /// A new one below a folder, on its disk.
    pub fn start_in(dir: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in(dir)?;
        if who()? == 0 {
            // The folder is ours alone: whoever may not list it may still walk through it.
            let mut rights = std::fs::metadata(dir)?.permissions();
            rights.set_mode(rights.mode() | 0o001);
            std::fs::set_permissions(dir, rights)?;
            done(Command::new("chown").arg("postgres").arg(folder.path()), "chown")?;
        }
        Self::made(folder)
    }

    fn made(folder: tempfile::TempDir) -> Result<Self> {
        let mut cluster = Self { programs: programs()?, folder, server: None };
        let mut initdb = command(&cluster.programs.join("initdb"))?;
        initdb.arg("--pgdata").arg(cluster.data());
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        done(&mut initdb, "initdb")?;
        cluster.go()?;
        Ok(cluster)
    }

    /// One that follows this one and has all it has, a moment later.
    pub fn standby(&self) -> Result<Self> {
        let mut standby = Self { programs: programs()?, folder: folder()?, server: None };
        let mut copy = command(&self.programs.join("pg_basebackup"))?;
        copy.args(["--write-recovery-conf", "--username=postgres", "--no-sync", "--checkpoint=fast", "--host"]);
        copy.arg(self.folder.path()).arg("--pgdata").arg(standby.data());
        done(&mut copy, "pg_basebackup")?;
        standby.go()?;
        Ok(standby)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, and waits until it answers.
    pub fn go(&mut self) -> Result<()> {
        let mut server = command(&self.programs.join("postgres"))?;
        server.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        server.args([
            "-c",
            "listen_addresses=",
            "-c",
            "max_connections=300",
            "-c",
            "max_locks_per_transaction=1024",
            "-c",
            "archive_mode=on",
            "-c",
            "archive_command=true",
        ]);
        let mut server = server.spawn().context("running postgres")?;
        while !self.answers()? {
            let ended = server.try_wait()?;
            ensure!(ended.is_none(), "PostgreSQL ended at its start: {ended:?}");
        }
        self.server = Some(server);
        Ok(())
    }

    fn answers(&self) -> Result<bool> {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        Ok(ready.arg("--quiet").arg("--host").arg(self.folder.path()).status().context("running pg_isready")?.success())
    }

    fn end(&mut self, signal: &str) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            done(Command::new("kill").args([signal, &server.id().to_string()]), "kill")?;
            server.wait()?;
        }
        Ok(())
    }

    /// Ends it, whatever is being done.
    pub fn stop(&mut self) -> Result<()> {
        self.end("-INT")
    }

    /// Ends it as a failing machine does: nothing is written any more.
    pub fn fall(&mut self) -> Result<()> {
        self.end("-QUIT")
    }

    /// The process of PostgreSQL all others are children of.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Waits until it answers: after one of its processes was killed it starts all of them anew.
    pub fn until_it_answers(&self) -> Result<()> {
        while self.sql_in("postgres", "SELECT 1").is_err() {}
        Ok(())
    }

    /// A standby becomes the one that is written to.
    pub fn promote(&self) -> Result<()> {
        let mut promote = command(&self.programs.join("pg_ctl"))?;
        done(promote.args(["promote", "--wait", "-D"]).arg(self.data()), "pg_ctl promote")
    }

    /// Runs SQL in a database, apart from any store; what it printed.
    pub fn sql_in(&self, database: &str, sql: &str) -> Result<String> {
        psql(self.folder.path(), database, sql)
    }

    /// The address of a database of its own in this cluster, which is made.
    pub fn database(&self, name: &str) -> Result<String> {
        made(self.folder.path(), name)
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test's process ends with it.
        self.stop().ok();
    }
}

/// Runs SQL in a database of the cluster with this socket; what it printed.
pub fn psql(socket: &Path, database: &str, sql: &str) -> Result<String> {
    let mut psql = Command::new(programs()?.join("psql"));
    psql.args([
        "--quiet",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--username=postgres",
        "--set=ON_ERROR_STOP=1",
    ]);
    let done =
        psql.arg("--command").arg(sql).arg("--host").arg(socket).arg(database).output().context("running psql")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

fn at(socket: &Path, name: &str) -> String {
    format!("host={} user=postgres dbname={name}", socket.display())
}

fn made(socket: &Path, name: &str) -> Result<String> {
    psql(socket, "postgres", &format!("CREATE DATABASE {name}"))?;
    Ok(at(socket, name))
}

/// A name for the database of a folder; those whose folders are gone, of tests that ended, go with that.
fn name(socket: &Path, folder: &Path) -> Result<String> {
    let all =
        "SELECT datname || ' ' || d.description FROM pg_database JOIN pg_shdescription d ON d.objoid = pg_database.oid
               WHERE datname LIKE 't%' AND d.description LIKE '/%'";
    for (old, of) in psql(socket, "postgres", all)?.lines().filter_map(|line| line.split_once(' ')) {
        if !Path::new(of).exists() {
            psql(socket, "postgres", &format!("DROP DATABASE IF EXISTS {old} WITH (FORCE)"))?;
        }
    }
    let id: String = folder.to_string_lossy().bytes().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("t{}", id.get(id.len().saturating_sub(60)..).unwrap_or_default()))
}

fn note(socket: &Path, name: &str, folder: &Path) -> Result<()> {
    // The folder first: a database of a folder that is not there goes.
    std::fs::create_dir_all(folder)?;
    psql(socket, "postgres", &format!("COMMENT ON DATABASE {name} IS '{}'", folder.display()))?;
    Ok(std::fs::write(folder.join("database"), at(socket, name))?)
}

/// Lets a folder name a new database of the cluster that [`SHARED`] names, if it names one: what is told of SQLite is told
/// of PostgreSQL then.
pub fn stand_in(folder: &Path) -> Result<()> {
    match std::env::var_os(SHARED) {
        Some(socket) => stand_in_at(Path::new(&socket), folder),
        None => Ok(()),
    }
}

/// The same of the cluster with this socket; a folder that has its records stays as it is.
pub fn stand_in_at(socket: &Path, folder: &Path) -> Result<()> {
    if stands_in(folder) || folder.join("town.db").exists() {
        return Ok(());
    }
    let name = name(socket, folder)?;
    made(socket, &name)?;
    note(socket, &name, folder)
}

/// The socket and name of the database that a folder names, if it names one.
fn named(folder: &Path) -> Result<Option<(PathBuf, String)>> {
    let Ok(address) = std::fs::read_to_string(folder.join("database")) else { return Ok(None) };
    let part =
        |key: &str| address.split(' ').find_map(|word| word.strip_prefix(key)).context("an address of the tests");
    Ok(Some((PathBuf::from(part("host=")?), part("dbname=")?.to_owned())))
}

/// Whether the records of a folder are in PostgreSQL.
pub fn stands_in(folder: &Path) -> bool {
    folder.join("database").exists()
}

/// Bytes as the store of a folder takes them in SQL.
pub fn bytes(folder: &Path, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if stands_in(folder) { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") }
}

/// Changes something in the store of a folder, behind the program's back; how many rows.
pub fn execute(folder: &Path, sql: &str) -> Result<usize> {
    match named(folder)? {
        Some((socket, name)) => {
            let said =
                psql(&socket, &name, &format!("WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed"))?;
            said.parse().with_context(|| format!("psql said {said}"))
        }
        None => Ok(rusqlite::Connection::open(folder.join("town.db"))?.execute(sql, [])?),
    }
}

/// Runs SQL in the database that a folder names.
pub fn run(folder: &Path, sql: &str) -> Result<String> {
    let (socket, name) = named(folder)?.context("it names none")?;
    psql(&socket, &name, sql)
}

/// All that stands in the database that a folder names, as text; nothing where it names none.
pub fn dump(folder: &Path) -> Result<Vec<u8>> {
    let Some((socket, name)) = named(folder)? else { return Ok(Vec::new()) };
    let mut dump = Command::new(programs()?.join("pg_dump"));
    dump.args(["--data-only", "--username=postgres", "--host"]).arg(socket).arg(name);
    let done = dump.output().context("running pg_dump")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(done.stdout)
}

/// Copies the database that a folder names, as it stands at this moment, and lets another folder name the copy. Whoever was
/// connected to it has to connect again. Says whether it names one.
pub fn copy(from: &Path, to: &Path) -> Result<bool> {
    let Ok(address) = std::fs::read_to_string(from.join("database")) else { return Ok(false) };
    let part =
        |key: &str| address.split(' ').find_map(|word| word.strip_prefix(key)).context("an address of the tests");
    let (socket, old) = (PathBuf::from(part("host=")?), part("dbname=")?);
    let name = name(&socket, to)?;
    psql(&socket, "postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    let leave = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old}'");
    psql(&socket, "postgres", &leave)?;
    // Somebody may have come back at once.
    let mut tries = 0;
    while let Err(error) =
        psql(&socket, "postgres", &format!("CREATE DATABASE {name} TEMPLATE {old} STRATEGY FILE_COPY"))
    {
        tries += 1;
        ensure!(tries < 100, "{error}");
        psql(&socket, "postgres", &leave)?;
    }
    note(&socket, &name, to)?;
    Ok(true)
}
