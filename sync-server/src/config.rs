//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use shared::area::AreaId;
use shared::author::Role;

use crate::blobs::place::Place;
use crate::tls::cli::{CertCommand, TlsArgs};

/// Merges the edits of all handhelds; the centre's console and batches.
#[derive(Debug, Parser)]
#[command(name = "sync-server", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The folder everything is kept in, and where its records are.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder of town.db (or `database`, which names a PostgreSQL), blobs/, batches/, server.key, outbox.key, tls.pem and erased.list; retention.toml if the town has its own.
    #[arg(long, env = "SYNC_SERVER_DATA")]
    pub data: PathBuf,
    /// A PostgreSQL for the records of this folder, in place of its town.db: postgres://user:password@host/database. The folder keeps it
    /// in its file `database`, so that it need be said once; said in the environment, other users of the machine do not see the password.
    #[arg(long, env = "SYNC_SERVER_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
}

/// `migrate-store`
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The folder whose records move; it keeps keys, batches and photos.
    #[arg(long, env = "SYNC_SERVER_DATA")]
    pub data: PathBuf,
    /// Where to: an empty database as postgres://user:password@host/database, or `sqlite` for the folder's own town.db.
    #[arg(long, env = "SYNC_SERVER_MIGRATE_TO", hide_env_values = true)]
    pub to: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answers handhelds and the console until told to stop.
    Serve(Box<ServeArgs>),
    /// Serves the public pages and keeps what is reported there until the centre fetches it: a process of its own, on a machine that
    /// the public reaches, with no resident's data.
    Intake(crate::intake::cli::IntakeArgs),
    /// Makes what the intake and `serve --intake` need to know of each other.
    IntakeKey(crate::intake::cli::IntakeKeyArgs),
    /// Makes an empty data folder.
    Init(DataArgs),
    /// Areas.
    #[command(subcommand)]
    Area(AreaCommand),
    /// People who log in.
    #[command(subcommand)]
    User(UserCommand),
    /// Prints a one-time code (10 minutes) by which a user's handheld is enrolled.
    EnrolCode(EnrolCodeArgs),
    /// The server's own certificate.
    #[command(subcommand)]
    Cert(CertCommand),
    /// Brings in records from a table.
    Import(crate::import::ImportArgs),
    /// Merged data for the centre.
    #[command(subcommand)]
    Batch(crate::batch::BatchCommand),
    /// Who did what: the audit.
    #[command(subcommand)]
    Audit(crate::audit::cli::AuditCommand),
    /// Photos.
    #[command(subcommand)]
    Blobs(crate::blobs::cli::BlobsCommand),
    /// Makes a backup and verifies it; the server may be running.
    Backup(crate::backup::cli::BackupArgs),
    /// Looks whether a backup, or a data folder, is what it should be.
    Verify(crate::backup::cli::VerifyArgs),
    /// Puts a backup into an empty folder and begins a new epoch.
    Restore(crate::backup::cli::RestoreArgs),
    /// Moves all records of a folder to PostgreSQL, or back to SQLite; the server must be stopped. Handhelds notice nothing.
    MigrateStore(MigrateArgs),
    /// Outboxes that came as files.
    #[command(subcommand)]
    Outbox(crate::outbox::OutboxCommand),
    /// Erases a record for good.
    Erase(crate::erase::EraseArgs),
    /// Writes all that is kept about one person to one file, for that person.
    PersonExport(crate::person::cli::PersonArgs),
    /// Erases every record that has outlived its time, and the parts whose own time is over, see retention.toml.
    Retention(crate::retention::cli::RetentionArgs),
}

/// `serve`
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// With which certificate.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Where to listen; without a certificate (`cert init`) only on this machine or behind a proxy. Port 0 takes a free one. The address taken is printed in one line.
    #[arg(long, default_value = "127.0.0.1:7300", env = "SYNC_SERVER_LISTEN")]
    pub listen: SocketAddr,
    /// Only a proxy, which ends HTTPS, reaches this server. The address it adds to X-Forwarded-For is counted wrong passwords by; without
    /// this, that header is not believed.
    #[arg(long, env = "SYNC_SERVER_BEHIND_PROXY")]
    pub behind_proxy: bool,
    /// Where photos are kept: a folder, or `s3://bucket/prefix?endpoint=https://…&region=…` with the credentials in the environment
    /// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY); `blobs/` in the data folder if nothing was ever said. Noted: other commands need
    /// not be told.
    #[arg(long, env = "SYNC_SERVER_BLOBS")]
    pub blobs: Option<Place>,
    /// The photos there were before have been copied to where `--blobs` says.
    #[arg(long, requires = "blobs")]
    pub blobs_moved: bool,
    /// Told to end (SIGTERM), goes on for so many seconds and answers `/ready` with 503 meanwhile, so that whatever spreads requests over
    /// several servers sends none any more; then what is under way is answered.
    #[arg(long, default_value_t = 0, env = "SYNC_SERVER_DRAIN", value_parser = clap::value_parser!(u32).range(..=600))]
    pub drain: u32,
    /// In which language it says why it does not start: `zh-CN` or `en`.
    #[arg(long, env = "LANG")]
    pub lang: Option<String>,
    /// Makes backups in this folder while running; on another disk than the data, at best in another house.
    #[arg(long, env = "SYNC_SERVER_BACKUP_TO")]
    pub backup_to: Option<PathBuf>,
    /// From one backup to the next: 30m, 1h, 1d.
    #[arg(long, default_value = "1h", value_parser = every, requires = "backup_to")]
    pub backup_every: Duration,
    /// Seals what is new and puts it into this folder while running, each batch in a folder of its number.
    #[arg(long, env = "SYNC_SERVER_BATCH_TO", requires = "batch_as")]
    pub batch_to: Option<PathBuf>,
    /// From one batch to the next: 30m, 1h, 1d.
    #[arg(long, default_value = "1d", value_parser = every, requires = "batch_to")]
    pub batch_every: Duration,
    /// In whose name (login): their scope bounds what goes there, always masked and without restricted columns.
    #[arg(long, env = "SYNC_SERVER_BATCH_AS", requires = "batch_to")]
    pub batch_as: Option<String>,
    /// `csv`, `xlsx`, `ndjson` or `geojson`; parted by commas for several.
    #[arg(long, default_value = "csv", value_delimiter = ',', value_parser = crate::batch::cli::format, requires = "batch_to")]
    pub batch_format: Vec<crate::batch::Format>,
    /// As an upper platform takes it, in place of formats: a profile as of `batch pull --profile`.
    #[arg(long, requires = "batch_to", conflicts_with = "batch_format")]
    pub batch_profile: Option<String>,
    /// Erases daily what has outlived its time: as `sync-server retention` does.
    #[arg(long, env = "SYNC_SERVER_RETENTION")]
    pub retention: bool,
    /// Archives by itself what was closed so many days ago and left alone since; 0: nothing.
    #[arg(long, default_value_t = 7, env = "SYNC_SERVER_ARCHIVE_AFTER", value_parser = clap::value_parser!(u16).range(0..=365))]
    pub archive_after: u16,
    /// Serves figures for Prometheus on this address (`/metrics`); counts and times, but nothing for the public.
    #[arg(long, env = "SYNC_SERVER_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// Writes the log as JSON, a line an entry.
    #[arg(long, env = "SYNC_SERVER_LOG_JSON")]
    pub log_json: bool,
    /// How many backups stay.
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..), requires = "backup_to")]
    pub backup_keep: u16,
    /// How long a handheld that does not reach the server can show what is restricted, hours.
    #[arg(long, default_value_t = crate::sync::lease::HOURS, env = "SYNC_SERVER_LEASE_HOURS",
        value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub lease_hours: u32,
    /// Handhelds write date, time and grid into the photos they take, where everybody sees it.
    #[arg(long, env = "SYNC_SERVER_STAMP_PHOTOS")]
    pub stamp_photos: bool,
    /// How long a handheld uses one credential before an answer brings the next, hours.
    #[arg(long, default_value_t = crate::auth::token::HOURS, env = "SYNC_SERVER_TOKEN_HOURS",
        value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub token_hours: u32,
    /// Offers handhelds the newest signed package of the app in this folder, named as `make apk` does.
    #[arg(long, env = "SYNC_SERVER_APPS")]
    pub apps: Option<PathBuf>,
    /// Handhelds with an older version of the app say that it is to be replaced: 0.2.0. They deliver all the same.
    #[arg(long, env = "SYNC_SERVER_LEAST_APP", value_parser = app_version)]
    pub least_app: Option<String>,
    /// The intake of reports from any phone.
    #[command(flatten)]
    pub pull: crate::intake::cli::PullArgs,
}

fn app_version(text: &str) -> Result<String, String> {
    let is_one = shared::wire::numbers(text).len() == 3 && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_one { Ok(text.to_owned()) } else { Err("three numbers with points are wanted, 0.2.0".to_owned()) }
}

/// `area …`
#[derive(Debug, Subcommand)]
pub enum AreaCommand {
    /// Adds or changes areas from a CSV file: id,parent,level,name,code and, if you have it, outline: the polygon as WKT.
    Import {
        /// Where the data are.
        #[command(flatten)]
        data: DataArgs,
        /// The file, UTF-8.
        file: PathBuf,
    },
}

/// `user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Adds a user.
    Add(UserAddArgs),
    /// Changes what a user is, may do, and where; or lets them in no more. What is not named stays.
    Change(UserChangeArgs),
    /// Gives a user another password and ends their log-ins to the console.
    SetPassword {
        /// Whose.
        #[command(flatten)]
        user: UserArgs,
        /// Read from this file's first line.
        #[arg(long)]
        password_file: PathBuf,
    },
    /// Takes a user's second factor and recovery codes away, and ends their log-ins to the console: at the next one they
    /// set it up anew. For a lost telephone; make sure that it is them who ask.
    ResetSecondFactor(UserArgs),
}

/// Somebody who is there.
#[derive(Debug, Clone, Args)]
pub struct UserArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Their log-in name.
    #[arg(long)]
    pub login: String,
}

/// `user add`
#[derive(Debug, Clone, Args)]
pub struct UserAddArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Unique.
    #[arg(long)]
    pub login: String,
    /// As shown.
    #[arg(long)]
    pub name: String,
    /// `grid_member`, `grid_leader`, `informant`, `patrol_member`, `center_staff`, `department` or `admin`.
    #[arg(long, value_parser = role)]
    pub role: Role,
    /// The roots of their scope, ids of areas; the first one's town is theirs.
    #[arg(long = "area", required = true, value_parser = area)]
    pub areas: Vec<AreaId>,
    /// May read restricted parts in their scope.
    #[arg(long)]
    pub cleared: bool,
    /// May see and export without masks.
    #[arg(long)]
    pub may_unmask: bool,
    /// For the console, read from this file's first line; without it there is no log-in to the console.
    #[arg(long)]
    pub password_file: Option<PathBuf>,
}

/// `user change`
#[derive(Debug, Clone, Args)]
pub struct UserChangeArgs {
    /// Who.
    #[command(flatten)]
    pub user: UserArgs,
    /// As shown from now on.
    #[arg(long)]
    pub name: Option<String>,
    /// What they do from now on.
    #[arg(long, value_parser = role)]
    pub role: Option<Role>,
    /// The roots of their scope from now on, all of them; in the same town.
    #[arg(long = "area", value_parser = area)]
    pub areas: Vec<AreaId>,
    /// Whether they may read restricted parts in their scope.
    #[arg(long)]
    pub cleared: Option<bool>,
    /// Whether they may see and export without masks.
    #[arg(long)]
    pub may_unmask: Option<bool>,
    /// Whether they work here: `false` closes console and handhelds to them at the next request.
    #[arg(long)]
    pub active: Option<bool>,
}

/// `enrol-code`
#[derive(Debug, Clone, Args)]
pub struct EnrolCodeArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// With which certificate the server serves: the check digits depend on it.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Whose handheld.
    #[arg(long)]
    pub login: String,
}

/// `30m`, `1h`, `1d`; at least a minute.
pub(crate) fn every(text: &str) -> Result<Duration, String> {
    let bad = || "a time is a number with m, h or d behind it, e.g. 30m".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    match number.checked_mul(seconds) {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(bad()),
    }
}

fn role(code: &str) -> Result<Role, String> {
    Role::from_code(code).ok_or_else(|| {
        let codes: Vec<&str> = Role::ALL.into_iter().map(Role::code).collect();
        format!("a role is one of {}", codes.join(", "))
    })
}

/// An area's id on the command line.
pub fn area(id: &str) -> Result<AreaId, String> {
    id.parse().map(AreaId).map_err(|_| "an area's id is a whole number".to_owned())
}
