//! `intake`, `intake-key` and what `serve` asks about them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::pull::Puller;
use super::wire::Share;
use super::{Intake, serve as routes};
use crate::auth::token;
use crate::commands::{begin_log, open, say, stop};
use crate::config::DataArgs;
use crate::system::System;
use crate::tls::cli::TlsArgs;

/// `intake`
#[derive(Debug, Clone, Args)]
pub struct IntakeArgs {
    /// A folder of its own, never the centre's.
    #[command(flatten)]
    pub data: DataArgs,
    /// With which certificate. Browsers of telephones trust those of a public authority only.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Where to listen. Port 0 takes a free one. The address taken is printed in one line.
    #[arg(long, default_value = "127.0.0.1:7310", env = "SYNC_SERVER_INTAKE_LISTEN")]
    pub listen: SocketAddr,
    /// What `intake-key` wrote for the intake.
    #[arg(long, env = "SYNC_SERVER_INTAKE_SHARE")]
    pub share: PathBuf,
    /// Only a proxy, which ends HTTPS, reaches this process; the address it adds to X-Forwarded-For is what is counted by.
    #[arg(long, env = "SYNC_SERVER_INTAKE_BEHIND_PROXY")]
    pub behind_proxy: bool,
}

/// `intake-key`
#[derive(Debug, Clone, Args)]
pub struct IntakeKeyArgs {
    /// Where the centre's data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// The secret, which stays with the centre: for `serve --intake-key`. Must not be there yet.
    #[arg(long)]
    pub key: PathBuf,
    /// What is carried to the intake: for `intake --share`. It opens nothing. Must not be there yet.
    #[arg(long)]
    pub share: PathBuf,
}

/// What `serve` is told of an intake.
#[derive(Debug, Clone, Args)]
pub struct PullArgs {
    /// Fetches what is reported at this intake, https://…
    #[arg(long, env = "SYNC_SERVER_INTAKE", requires = "intake_key")]
    pub intake: Option<String>,
    /// The secret that `intake-key` wrote.
    #[arg(long, env = "SYNC_SERVER_INTAKE_KEY", requires = "intake")]
    pub intake_key: Option<PathBuf>,
    /// The only certificate, in PEM, that is believed of the intake; without it those of the usual authorities are.
    #[arg(long, env = "SYNC_SERVER_INTAKE_CERT", requires = "intake")]
    pub intake_cert: Option<PathBuf>,
    /// From one fetch to the next: 1m, 1h.
    #[arg(long, default_value = "1m", value_parser = crate::config::every)]
    pub intake_every: Duration,
}

impl PullArgs {
    /// The puller, where there is an intake.
    pub fn open(&self) -> anyhow::Result<Option<Puller>> {
        let Some((url, key)) = self.intake.as_deref().zip(self.intake_key.as_deref()) else { return Ok(None) };
        let here = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"].iter().any(|host| url.starts_with(host));
        anyhow::ensure!(url.starts_with("https://") || here, "the intake is fetched from over https:// only");
        Puller::open(url, key, self.intake_cert.as_deref()).map(Some).context("cannot use the intake")
    }
}

/// Runs `intake-key`.
pub fn make_key(args: &IntakeKeyArgs) -> anyhow::Result<()> {
    let app = open(&args.data)?;
    let (secret, share) = keys(&app);
    let write = |path: &PathBuf, text: String| {
        disk::create_new(path, text.as_bytes()).with_context(|| format!("cannot make {}", path.display()))
    };
    write(&args.key, format!("{secret}\n"))?;
    write(&args.share, serde_json::to_string_pretty(&share).context("cannot write the share")?)?;
    say(&format!("{} stays here; carry {} to the intake", args.key.display(), args.share.display()))
}

/// A new secret, and what the intake is to know of it.
pub fn keys(app: &crate::AppState) -> (String, Share) {
    let mut random = [0; 32];
    app.outside.fill(&mut random);
    let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let share = Share { recipient: app.outbox_key.recipient().to_owned(), secret_hash: token::hash(&secret) };
    (secret, share)
}

/// Runs `intake`.
pub fn serve(args: &IntakeArgs) -> anyhow::Result<()> {
    begin_log(false)?;
    let data = &args.data.data;
    anyhow::ensure!(
        !disk::exists(&data.join("town.db")).unwrap_or(true),
        "{} holds the centre's data; the intake needs a folder and at best a machine of its own",
        data.display()
    );
    let text = disk::read(&args.share).with_context(|| format!("cannot read {}", args.share.display()))?;
    let share: Share = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what `intake-key` wrote for the intake", args.share.display()))?;
    let mut intake = Intake::open(data, &share, Arc::new(System)).context("cannot open the intake")?;
    intake.behind_proxy = args.behind_proxy;
    intake.tls = args.tls.open(data)?;
    intake.public_url = args.tls.public_url.clone().unwrap_or_default();
    let tls = intake.tls.is_spoken();
    anyhow::ensure!(
        tls || args.behind_proxy || args.listen.ip().is_loopback(),
        "without a certificate the intake listens on this machine only, and {} is reached from others: name one with \
         --tls-cert and --tls-key, or say --behind-proxy if a proxy in front ends HTTPS",
        args.listen
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr().context("cannot tell the address")?;
        say(&format!("listening on {}://{address}", if tls { "https" } else { "http" }))?;
        routes::serve(Arc::new(intake), listener, stop()).await.context("the intake stopped")
    })
}
