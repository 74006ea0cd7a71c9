//! `cert …`, and what `serve` and `enrol-code` are told of certificates.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use shared::key_pin::{Certificate, KeyPin};
use shared::outside::Outside as _;

use super::keep::{self, Wanted};
use super::{NEXT, Tls};
use crate::config::DataArgs;
use crate::system::System;

/// A certificate of the town's own.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// A certificate of the town's own in PEM, with those it was issued by behind it; instead of tls.pem.
    #[arg(long, env = "SYNC_SERVER_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key in PEM.
    #[arg(long, env = "SYNC_SERVER_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Tells handhelds this pin (base64 of SHA-256 over a key's SubjectPublicKeyInfo) beside that of the certificate here: of a
    /// proxy in front, or of a key that is to come. The first is the one in use, where there is no certificate here.
    #[arg(long = "pin", env = "SYNC_SERVER_PIN", value_delimiter = ',')]
    pub pins: Vec<KeyPin>,
    /// The address handhelds reach this server by, https://…; without it the one the console was asked by.
    #[arg(long, env = "SYNC_SERVER_PUBLIC_URL")]
    pub public_url: Option<String>,
}

impl TlsArgs {
    /// Reads the certificate meant.
    pub fn open(&self, data: &Path) -> anyhow::Result<Tls> {
        let own = self.tls_cert.clone().zip(self.tls_key.clone());
        Tls::open(data, own, self.pins.clone()).context("cannot use the certificate")
    }
}

/// `cert …`
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Makes a key and a certificate of its own, tls.pem: from then on the server speaks TLS. Prints its pin.
    Init {
        /// Where the data are.
        #[command(flatten)]
        data: DataArgs,
        /// Every name and address by which the server is reached.
        #[arg(long = "name", required = true)]
        names: Vec<String>,
        /// For how many days.
        #[arg(long, default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=7_300))]
        days: u32,
    },
    /// Makes a new certificate for the same key: handhelds notice nothing. The running server takes it at once.
    Renew(AnewArgs),
    /// Makes the next key and announces its pin; the running server does so from its next connection. Handhelds learn it with their next sync.
    Next(DataArgs),
    /// Takes the next key into use. A handheld that did not sync since `cert next` has to be enrolled again.
    Switch(AnewArgs),
    /// Prints names, dates and pins.
    Show(DataArgs),
}

/// A certificate in place of another.
#[derive(Debug, Args)]
pub struct AnewArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Other names and addresses than up to now.
    #[arg(long = "name")]
    pub names: Vec<String>,
    /// For how many days.
    #[arg(long, default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=7_300))]
    pub days: u32,
}

impl AnewArgs {
    fn wanted(&self) -> anyhow::Result<Wanted> {
        let names = if self.names.is_empty() { keep::read(&self.data.data)?.names } else { self.names.clone() };
        Ok(Wanted { names, now: System.now(), days: self.days })
    }
}

/// Runs `cert`.
pub fn command(command: &CertCommand) -> anyhow::Result<()> {
    match command {
        CertCommand::Init { data, names, days } => {
            let wanted = Wanted { names: names.clone(), now: System.now(), days: *days };
            show(&data.data, &keep::init(&data.data, &wanted)?)
        }
        CertCommand::Renew(args) => show(&args.data.data, &keep::renew(&args.data.data, &args.wanted()?)?),
        CertCommand::Next(data) => {
            keep::next(&data.data)?;
            show(&data.data, &keep::read(&data.data)?)
        }
        CertCommand::Switch(args) => show(&args.data.data, &keep::switch(&args.data.data, &args.wanted()?)?),
        CertCommand::Show(data) => show(&data.data, &keep::read(&data.data)?),
    }
}

fn show(data: &Path, certificate: &Certificate) -> anyhow::Result<()> {
    let mut text = format!(
        "names {}\nfrom {}\nuntil {}\npin {}\n",
        certificate.names.join(", "),
        certificate.from.to_rfc3339(),
        certificate.until.to_rfc3339(),
        certificate.pin
    );
    if let Some(next) = keep::next_pin(&data.join(NEXT))? {
        text.push_str(&format!("next pin {next}\n"));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write the answer")
}
