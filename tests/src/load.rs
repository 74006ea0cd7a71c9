//! Many handhelds at one centre, over real HTTP: all of them back on the network at once, or their rounds spread over a time.
//!
//! They speak the protocol and keep no records: what is measured is the server. `make load` prints what it took; `make
//! bench` measures the return of 820 beside its floor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::de::IgnoredAny;
use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::limits::PROTOCOL;
use shared::merge::PartState;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{EnrolAnswer, EnrolRequest, Outcome, Receipt, SyncRequest};
use sync_server::auth::enrol::make_code;
use sync_server::store::{self, PartFilter, StoreError, User};
use sync_server::system::System;
use sync_server::{App, AppState};

use crate::bench::Times;
use crate::centre::{Centre, day};
use crate::postgres::Cluster;
use crate::township::{Size, Township, fill};

/// The database of a [`Place`] in its cluster.
pub const DATABASE: &str = "load";

/// Who comes, and with what.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// How many handhelds.
    #[arg(long, default_value_t = 820)]
    pub handhelds: usize,
    /// How many edits each brings.
    #[arg(long, default_value_t = 20)]
    pub up: usize,
    /// How many records each is told of that others changed meanwhile.
    #[arg(long, default_value_t = 500)]
    pub down: usize,
    /// In how many rounds each brings its edits: 1 for all at once after a day without a network.
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// Over how many seconds their rounds are spread; 0: all at the same moment.
    #[arg(long, default_value_t = 0)]
    pub spread: u64,
    /// The centre's records in a PostgreSQL of Debian's, with its own settings, on the same disk.
    #[arg(long)]
    pub postgres: bool,
    /// How many server processes answer; more than one only with PostgreSQL.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub processes: u8,
}

/// What it took.
#[derive(Debug, Default)]
pub struct Borne {
    /// From the first request to the last answer.
    pub all: Duration,
    /// Of each handheld's return: all its requests.
    pub returns: Times,
    /// How often somebody was asked to come again.
    pub again: usize,
    /// Edits that were applied, records that were told of, bytes of bodies up and down.
    pub edits: usize,
    /// Records told of.
    pub items: usize,
    /// Bytes of bodies.
    pub bytes: (usize, usize),
    /// The servers' CPU time, s, and the most memory one took, MB.
    pub cpu: f64,
    /// MB.
    pub memory: f64,
}

/// What is read of an answer: handhelds have processors of their own, here they share the server's.
#[derive(serde::Deserialize)]
struct Told {
    #[serde(default)]
    receipts: Vec<Receipt>,
    #[serde(default)]
    items: Vec<IgnoredAny>,
    cursor: String,
    more: Option<bool>,
    setup: Option<Version>,
}

#[derive(serde::Deserialize)]
struct Version {
    version: String,
}

/// A handheld that keeps a cursor.
struct Hand {
    token: String,
    slot: Slot,
    epoch: u32,
    n: u64,
    cursor: Option<String>,
    setup: Option<String>,
    author: Arc<Author>,
    grid: AreaId,
    http: reqwest::Client,
    url: String,
}

/// A record and what its vector was.
type Seen = (RecordId, VectorTimestamp);

impl Hand {
    async fn enrol(app: &App, user: &User, url: &str) -> Result<Self> {
        let code = make_code(app, user).context("a code")?;
        let request = EnrolRequest {
            keys: vec![],
            protocol: PROTOCOL,
            code,
            name: "测量".to_owned(),
            app: env!("CARGO_PKG_VERSION").to_owned(),
            before: None,
        };
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer = http.post(format!("{url}/api/v1/enrol")).json(&request).send().await?.error_for_status()?;
        let answer: EnrolAnswer = answer.json().await?;
        Ok(Self {
            token: answer.token,
            slot: answer.slot,
            epoch: answer.epoch,
            n: 0,
            cursor: None,
            setup: Some(answer.setup.version.clone()),
            author: Arc::new(Author { user: Some(user.id), name: user.name.clone(), role: user.role }),
            grid: user.scope.first().copied().context("an area")?,
            http,
            url: url.to_owned(),
        })
    }

    fn change(&mut self, (record, context): &Seen, phone: usize) -> Result<Edit> {
        self.n += 1;
        Ok(Edit {
            id: EditId::fresh(&System),
            record: *record,
            kind: RecordKind::Person,
            part: Part::Open,
            dot: Dot { slot: self.slot, n: self.n },
            context: context.clone(),
            epoch: self.epoch,
            at: System.now(),
            zone: 480,
            author: Arc::clone(&self.author),
            form: 1,
            writes: [("phone".parse()?, Value::text(&format!("139{:08}", phone % 100_000_000)))].into(),
        })
    }

    /// One request, until it is answered; a `503` comes again when it says.
    async fn round(&mut self, edits: Vec<Edit>, borne: &mut Borne) -> Result<bool> {
        let request =
            SyncRequest { cursor: self.cursor.clone(), setup: self.setup.clone(), edits, ..SyncRequest::idle() };
        let body = zstd::encode_all(serde_json::to_vec(&request)?.as_slice(), 3)?;
        let mut tries = 0;
        let response = loop {
            let asked = self.http.post(format!("{}/api/v1/sync", self.url)).bearer_auth(&self.token);
            let asked = asked.header("content-encoding", "zstd").header("accept-encoding", "zstd");
            borne.bytes.0 += body.len();
            let response = match asked.body(body.clone()).send().await {
                Ok(response) => response,
                // A line that was quiet for long may have been closed just then: the app comes again as well.
                Err(error) if tries < 3 && error.is_request() => {
                    tries += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if response.status() != reqwest::StatusCode::SERVICE_UNAVAILABLE {
                break response.error_for_status()?;
            }
            borne.again += 1;
            let wait = response.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok()).unwrap_or(1);
            tokio::time::sleep(Duration::from_secs(wait)).await;
        };
        let packed = response.headers().get("content-encoding").is_some_and(|it| it == "zstd");
        let bytes = response.bytes().await?;
        borne.bytes.1 += bytes.len();
        let bytes = if packed { zstd::decode_all(&*bytes)? } else { bytes.to_vec() };
        let answer: Told = serde_json::from_slice(&bytes)?;
        for receipt in &answer.receipts {
            match &receipt.outcome {
                Outcome::Applied { .. } => borne.edits += 1,
                Outcome::Rejected(why) => bail!("an edit was refused: {why:?}"),
            }
        }
        borne.items += answer.items.len();
        self.cursor = Some(answer.cursor);
        if let Some(setup) = answer.setup {
            self.setup = Some(setup.version);
        }
        Ok(answer.more.unwrap_or_default())
    }

    async fn catch_up(&mut self, edits: Vec<Edit>, borne: &mut Borne) -> Result<()> {
        let mut more = self.round(edits, borne).await?;
        while more {
            more = self.round(Vec::new(), borne).await?;
        }
        Ok(())
    }
}

/// Residents of a grid, as the centre has them.
fn residents(app: &App, town: AreaId, grid: AreaId, most: usize) -> Result<Vec<Seen>> {
    let filter = PartFilter {
        kind: Some(RecordKind::Person),
        areas: Some(vec![grid]),
        limit: Some(most.try_into()?),
        ..PartFilter::default()
    };
    let mut found = Vec::new();
    store::read::<_, StoreError>(&*app.store, town, |read| {
        found.clear();
        read.each_part(&filter, &mut |part| {
            found.push((part.record, part.state));
            Ok(true)
        })
    })?;
    let seen =
        |(record, state): (RecordId, String)| Ok((record, serde_json::from_str::<PartState>(&state)?.vector().clone()));
    found.into_iter().map(seen).collect()
}

/// CPU seconds and the most memory (MB) of a process.
pub fn taken(pid: u32) -> Result<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let peak: f64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap_or_default();
    // Linux counts in hundredths of a second wherever this runs.
    Ok((Duration::from_millis(ticks * 10).as_secs_f64(), peak / 1024.0))
}

/// The township in a new folder, its server processes, and a PostgreSQL where one is asked for.
pub struct Place {
    /// What stands there.
    pub township: Township,
    /// The processes; the first one is asked first.
    pub centres: Vec<Centre>,
    /// Their data folder.
    pub data: PathBuf,
    app: App,
    /// Where [`DATABASE`] is, if the records are in PostgreSQL. Last: it ends after those who use it.
    pub cluster: Option<Cluster>,
}

impl Place {
    /// Makes all of it below `dir`.
    pub async fn make(dir: &Path, size: Size, postgres: bool, processes: u8) -> Result<Self> {
        // Another one of this process may have been faster.
        rustls::crypto::ring::default_provider().install_default().ok();
        ensure!(postgres || processes == 1, "one process a town.db: several only with --postgres");
        let data: PathBuf = dir.join(if postgres { "server-postgres" } else { "server" });
        std::fs::create_dir_all(&data)?;
        let cluster = if postgres { Some(Cluster::start_in(dir)?) } else { None };
        if let Some(cluster) = &cluster {
            std::fs::write(data.join("database"), cluster.database(DATABASE)?)?;
        }
        let folder = data.clone();
        let made = tokio::task::spawn_blocking(move || {
            let township = Township::new(7, day(), size)?;
            drop(fill::fill(&township, &folder, Arc::new(System))?);
            anyhow::Ok((township, AppState::open(&folder, Arc::new(System))?))
        });
        let (township, app) = made.await??;
        let mut centres = Vec::new();
        for _ in 0..processes {
            centres.push(Centre::open(&data).await?);
        }
        Ok(Self { township, centres, data, app, cluster })
    }

    /// Lets the handhelds come.
    pub async fn bear(&self, load: &Load) -> Result<Borne> {
        let town = self.township.town;
        let users = store::read::<_, StoreError>(&*self.app.store, town, |read| read.users())?;
        let members: Vec<&User> = users.iter().filter(|user| user.role == Role::GridMember && user.active).collect();
        let staff = users.iter().find(|user| user.role == Role::CenterStaff && user.active).context("staff")?;
        let mut hands = Vec::new();
        for n in 0..load.handhelds {
            let user = members.get(n % members.len().max(1)).context("a member")?;
            let centre = self.centres.get(n % self.centres.len()).context("a process")?;
            let mut hand = Hand::enrol(&self.app, user, &centre.url()).await?;
            hand.catch_up(Vec::new(), &mut Borne::default()).await?;
            hands.push(hand);
        }
        // Meanwhile, others change what they will be told of.
        let mut other = Hand::enrol(&self.app, staff, &self.centres.first().context("a process")?.url()).await?;
        let mut grids: Vec<AreaId> = hands.iter().map(|hand| hand.grid).collect();
        grids.sort_unstable();
        grids.dedup();
        for grid in &grids {
            let seen = residents(&self.app, town, *grid, load.down)?;
            let edits = seen.iter().enumerate().map(|(n, seen)| other.change(seen, n));
            let edits: Vec<Edit> = edits.collect::<Result<_>>()?;
            other.round(edits, &mut Borne::default()).await?;
        }
        let mut work = Vec::new();
        for (place, mut hand) in hands.into_iter().enumerate() {
            let seen = residents(&self.app, town, hand.grid, 200)?;
            let rounds = load.rounds.max(1);
            let mut brought = Vec::new();
            for round in 0..rounds {
                let edits = (round * load.up / rounds)..((round + 1) * load.up / rounds);
                let edit = |n: usize| {
                    let at = (place * 31 + n * 7) % seen.len().max(1);
                    hand.change(seen.get(at).context("a resident")?, place * 1_000 + n)
                };
                brought.push(edits.map(edit).collect::<Result<Vec<Edit>>>()?);
            }
            work.push((hand, brought));
        }
        let before = self.cpu()?;
        let begun = Instant::now();
        let spread = Duration::from_secs(load.spread);
        let count = u32::try_from(load.handhelds.max(1))?;
        let coming = work.into_iter().zip(0_u32..).map(|((mut hand, brought), place)| async move {
            let mut borne = Borne::default();
            let (rounds, first) = (u32::try_from(brought.len().max(1))?, spread / count * place);
            for (edits, round) in brought.into_iter().zip(0_u32..) {
                tokio::time::sleep_until((begun + first / rounds + spread / rounds * round).into()).await;
                let start = Instant::now();
                hand.catch_up(edits, &mut borne).await?;
                borne.returns.add(start.elapsed());
            }
            anyhow::Ok(borne)
        });
        let mut all = Borne::default();
        let mut returning: tokio::task::JoinSet<Result<Borne>> = coming.collect();
        while let Some(borne) = returning.join_next().await {
            let borne = borne??;
            all.returns.join(borne.returns);
            all.again += borne.again;
            all.edits += borne.edits;
            all.items += borne.items;
            all.bytes = (all.bytes.0 + borne.bytes.0, all.bytes.1 + borne.bytes.1);
        }
        all.all = begun.elapsed();
        all.cpu = self.cpu()? - before;
        for centre in &self.centres {
            all.memory = all.memory.max(taken(centre.pid().context("it runs")?)?.1);
        }
        ensure!(all.edits == load.handhelds * load.up, "{} edits were applied", all.edits);
        Ok(all)
    }

    fn cpu(&self) -> Result<f64> {
        self.centres.iter().map(|centre| Ok(taken(centre.pid().context("it runs")?)?.0)).sum()
    }
}

impl Borne {
    /// In words.
    pub fn words(&self) -> String {
        let rate = f64::from(u32::try_from(self.edits).unwrap_or(u32::MAX)) / self.all.as_secs_f64().max(1e-9);
        format!(
            "all in {:.2} s; a return p50 {:.2} s, p99 {:.2} s; {} edits up ({rate:.0}/s), {} records down, {:.1} + {:.1} MB; \
             {} times asked to come again; servers {:.1} s of CPU, at most {:.0} MB",
            self.all.as_secs_f64(),
            self.returns.p50().as_secs_f64(),
            self.returns.p99().as_secs_f64(),
            self.edits,
            self.items,
            megabytes(self.bytes.0),
            megabytes(self.bytes.1),
            self.again,
            self.cpu,
            self.memory
        )
    }
}

fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1_000.0
}
