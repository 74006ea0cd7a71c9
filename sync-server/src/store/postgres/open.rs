//! A database opened: connections, TLS, schema, and what is done to it as a whole.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime as Timers};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresStore;
use super::conn::{LONG, answer};
use super::failure::failure;
use super::lineage::{self, Outdated};
use super::sql::params;
use crate::store::StoreError;
use crate::store::states::Lately;

/// In order; how many of them a schema has seen stands in its table `schema_version`. Append only, and each only adds: while
/// servers are replaced one by one, the program before this one works on in what a step has made (decision 34). What is not
/// used any more goes in a step of the version after.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_begin.sql"),
    include_str!("migrations/002_near.sql"),
    include_str!("migrations/003_towns.sql"),
    include_str!("migrations/004_lz4.sql"),
];

/// Connections of one process at most.
const CONNECTIONS: usize = 16;

/// How long a line may take to be made, unless the address says `connect_timeout`.
const CONNECT: Duration = Duration::from_secs(10);

/// What was sent and nobody confirms for so long went nowhere, unless the address says `tcp_user_timeout`.
const UNCONFIRMED: Duration = Duration::from_secs(20);

/// A line on which nothing is said is tried after so long, and then at half of it; three times.
const SILENT: Duration = Duration::from_secs(10);

/// What a connection is told at its start, before what the address says: no lock or statement is waited for for ever, and a
/// process that stops in the middle of a transaction, or is not reached any more, does not hold up the others. And nothing
/// is compiled: that takes longer than any statement here.
const OPTIONS: &str = "-c lock_timeout=20s -c statement_timeout=1min -c idle_in_transaction_session_timeout=2min \
                       -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 \
                       -c tcp_user_timeout=20s -c TimeZone=UTC -c jit=off";

fn other<E: std::error::Error + Send + Sync + 'static>(action: &'static str) -> impl Fn(E) -> StoreError {
    move |source| StoreError::Other { action, source: Box::new(source) }
}

/// The certificates this machine trusts, and the one provider of TLS there is.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One that cannot be read opens nothing.
        let added = roots.add(certificate);
        tracing::debug!(ok = added.is_ok(), "a certificate this machine trusts");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(other("prepared TLS"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Whether every host of an address is this machine: only there is nobody who listens.
fn is_here(config: &Config) -> bool {
    // Where it is sent to, whatever the name.
    let numbers = config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
    numbers
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback()),
        })
}

/// What is connected with, by an address.
fn configuration(address: &str) -> Result<Config, StoreError> {
    let mut config: Config = address.parse().map_err(|_| StoreError::Address)?;
    if !is_here(&config) {
        if config.get_ssl_mode() == SslMode::Disable {
            return Err(StoreError::Open);
        }
        config.ssl_mode(SslMode::Require);
    }
    let options = format!("{OPTIONS} {}", config.get_options().unwrap_or_default());
    config.options(options.trim());
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNCONFIRMED);
    }
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(SILENT).keepalives_interval(SILENT / 2).keepalives_retries(3);
    }
    if config.get_application_name().is_none() {
        config.application_name("sync-server");
    }
    Ok(config)
}

impl PostgresStore {
    /// Whether an address can be read and would be opened; nobody is asked yet.
    pub fn examine(address: &str) -> Result<(), StoreError> {
        configuration(address).map(|_| ())
    }

    /// Opens what a `postgres://` address names, making its tables or bringing them up to date. To any other machine only
    /// over TLS, with a certificate that this one trusts; an address that wants less is refused.
    pub fn open(address: &str) -> Result<Self, StoreError> {
        let config = configuration(address)?;
        // A socket has no name that a certificate could be for: rustls refuses even to prepare for the empty one.
        let socket = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let connect = config.get_connect_timeout().copied().unwrap_or(CONNECT);
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(other("began to talk to PostgreSQL"))?;
        let recycled = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = if socket {
            Manager::from_config(config, NoTls, recycled)
        } else {
            Manager::from_config(config, tls()?, recycled)
        };
        let lineage = Arc::new(Mutex::default());
        let pool = Pool::builder(manager)
            .post_create(lineage::hook(Arc::clone(&lineage)))
            .max_size(CONNECTIONS)
            .runtime(Timers::Tokio1)
            .wait_timeout(Some(connect * 2))
            // The address limits how long the line takes, not the words on it.
            .create_timeout(Some(connect * (hosts + 1)))
            .build()
            .map_err(other("began to talk to PostgreSQL"))?;
        // For one that is free, for one that is made, and for the first word on it.
        let first = connect * (hosts + 4);
        let lately = Lately::default();
        let store = Self {
            pool,
            runtime: Some(runtime),
            towns: Mutex::default(),
            splits: Mutex::default(),
            lineage,
            lately,
            connect,
            first,
        };
        store.migrate()?;
        Ok(store)
    }

    /// The newest schema this program knows.
    pub fn schema() -> u32 {
        u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
    }

    fn migrate(&self) -> Result<(), StoreError> {
        self.with_client(|client, lost| {
            // What is confirmed to a handheld must be on the disk: it deletes its copy.
            for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
                let sql = format!("SELECT current_setting('{setting}')");
                let row = answer(self.limit(), lost, client.query_one(&sql, &[]))?.map_err(failure)?;
                if row.try_get::<_, &str>(0).map_err(failure)? == "off" {
                    return Err(StoreError::Forgetful(setting));
                }
            }
            let tx = self.begin(client, lost, false)?;
            tx.be_patient()?;
            // Of several processes that begin at once one makes the tables.
            tx.prepare_cached("SELECT pg_advisory_xact_lock(hashtext('schema of ' || current_schema()))")?
                .exists(params![])?;
            tx.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
            let has = "SELECT FROM pg_attribute WHERE attrelid = 'schema_version'::regclass AND attname = 'least'";
            if !tx.prepare_cached(has)?.exists(params![])? {
                tx.execute_batch("ALTER TABLE schema_version ADD COLUMN least BIGINT NOT NULL DEFAULT 0")?;
            }
            let found =
                tx.prepare_cached("SELECT coalesce(max(version), 0), coalesce(max(least), 0) FROM schema_version")?;
            let (found, least): (i64, i64) = found.one(params![], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let Some(outdated) = Outdated::by(found, least) {
                return Err(outdated.told());
            }
            if found < Self::schema().into() {
                // Whoever writes looks at it first: here they wait for each other.
                tx.execute_batch("LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE")?;
            }
            for (step, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
                tx.execute_batch(migration)?;
                let step: i64 = step;
                tx.prepare_cached("INSERT INTO schema_version (version, least) VALUES ($1, $2)")?
                    .execute(params![step, step - 1])?;
            }
            tx.commit(&mut false)
        })
    }

    /// See [`crate::store::Store::scrub`]: rows that were deleted or replaced are taken out of the tables that hold values.
    /// The log of changes keeps them until its archive and the backups expire.
    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        self.with_client(|client, lost| {
            let tables = [
                "part",
                "edit",
                "event",
                "quarantine",
                "unreadable",
                "remain",
                "reporter",
                "intake_tray",
                "photo_link",
            ];
            let patient = format!("SET statement_timeout = {}", LONG.as_millis());
            let vacuum = tables.map(|table| format!("VACUUM (FREEZE) {table}"));
            let done = std::iter::once(&patient)
                .chain(&vacuum)
                .chain([&"RESET statement_timeout".to_owned()])
                .try_for_each(|sql| answer(LONG + self.limit(), lost, client.batch_execute(sql))?.map_err(failure));
            // Where it stopped in the middle it would stay patient.
            if done.is_err() {
                lost.store(true, Ordering::Relaxed);
            }
            done
        })
    }
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    /// What of a step an older program could miss, or would not know to give.
    fn takes_away(step: &str) -> Option<String> {
        let code: Vec<&str> = step.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        code.join(" ").to_uppercase().split(';').find_map(|statement| {
            let words: Vec<&str> = statement.split_whitespace().collect();
            let text = words.join(" ");
            let alters = text.starts_with("ALTER TABLE");
            let column =
                alters && text.contains(" ADD COLUMN ") && text.contains(" NOT NULL") && !text.contains(" DEFAULT ");
            let other =
                ["DROP ", "RENAME ", "TRUNCATE ", "DELETE ", " TYPE ", "SET NOT NULL", "ADD CONSTRAINT", "ADD CHECK"];
            (column || other.iter().any(|word| text.contains(word)) || text.starts_with("CREATE UNIQUE INDEX"))
                .then_some(text)
        })
    }

    #[test]
    fn a_step_only_adds_so_that_the_program_before_it_works_on() {
        for well in [
            "ALTER TABLE part ADD COLUMN later TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE part ADD COLUMN later BIGINT;\n CREATE TABLE more (town BIGINT NOT NULL)",
            "CREATE INDEX part_later ON part (town, later);\n -- DROP it one day\n",
        ] {
            assert_eq!(takes_away(well), None);
        }
        for wrong in [
            "ALTER TABLE part DROP COLUMN words",
            "ALTER TABLE part ADD COLUMN later TEXT NOT NULL",
            "ALTER TABLE part\n RENAME COLUMN words TO text",
            "ALTER TABLE part ALTER COLUMN seq TYPE TEXT",
            "CREATE UNIQUE INDEX one ON part (town)",
            "DROP TABLE once",
        ] {
            assert!(takes_away(wrong).is_some(), "{wrong}");
        }
        // The first made all there is.
        for step in MIGRATIONS.iter().skip(1) {
            assert_eq!(takes_away(step), None);
        }
    }
}
