//! A database opened: connections, TLS, schema, and what is done to it as a whole.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime as Timers};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresStore;
use super::failure::failure;
use super::lineage;
use super::sql::{params, wait};
use crate::store::StoreError;

/// In order; how many of them a schema has seen stands in its table `schema_version`. Append only.
const MIGRATIONS: &[&str] = &[include_str!("migrations/001_begin.sql"), include_str!("migrations/002_towns.sql")];

/// Connections of one process at most.
const CONNECTIONS: usize = 16;

/// So long somebody waits for one of them.
const WAIT: Duration = Duration::from_secs(20);

/// What a connection is told at its start, before what the address says: no lock or statement is waited for for ever, and
/// a process that stops in the middle of a transaction does not hold up the others.
const OPTIONS: &str = "-c lock_timeout=20s -c statement_timeout=10min -c idle_in_transaction_session_timeout=10min \
                       -c TimeZone=UTC";

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
    config.get_hosts().iter().all(|host| match host {
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
        config.connect_timeout(Duration::from_secs(10));
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
            .wait_timeout(Some(WAIT))
            .build()
            .map_err(other("began to talk to PostgreSQL"))?;
        let store = Self { pool, runtime: Some(runtime), towns: Mutex::default(), lineage };
        store.migrate()?;
        Ok(store)
    }

    /// The newest schema this program knows.
    pub fn schema() -> u32 {
        u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
    }

    fn migrate(&self) -> Result<(), StoreError> {
        let mut client = self.connection()?;
        // What is confirmed to a handheld must be on the disk: it deletes its copy.
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let row = wait(client.query_one("SELECT current_setting($1)", &[&setting])).map_err(failure)?;
            if row.try_get::<_, &str>(0).map_err(failure)? == "off" {
                return Err(StoreError::Forgetful(setting));
            }
        }
        let tx = super::sql::Conn::new(self.begin(&mut client, false)?);
        // Of several processes that begin at once one makes the tables.
        tx.prepare_cached("SELECT pg_advisory_xact_lock(hashtext('schema of ' || current_schema()))")?
            .exists(params![])?;
        tx.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
        let found = tx.prepare_cached("SELECT coalesce(max(version), 0) FROM schema_version")?;
        let found: u32 = found.one(params![], |row| row.get(0))?;
        let known = Self::schema();
        if found > known {
            return Err(StoreError::FromTheFuture { found, known });
        }
        for (step, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
            tx.execute_batch(migration)?;
            tx.prepare_cached("INSERT INTO schema_version (version) VALUES ($1)")?.execute(params![step])?;
        }
        wait(tx.into_inner().commit()).map_err(failure)
    }

    /// See [`crate::store::Store::scrub`]: rows that were deleted or replaced are taken out of the tables that hold values.
    /// The log of changes keeps them until its archive and the backups expire.
    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        let client = self.connection()?;
        for table in
            ["part", "edit", "event", "quarantine", "unreadable", "remain", "reporter", "intake_tray", "photo_link"]
        {
            wait(client.batch_execute(&format!("VACUUM (FREEZE) {table}"))).map_err(failure)?;
        }
        Ok(())
    }
}
