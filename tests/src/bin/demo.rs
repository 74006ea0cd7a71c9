//! `make demo`: a fictional township, the server, and two handhelds of the same grid in the browser.
//!
//! Everything lies in one folder; started again it goes on from there. It asks nothing, and ends everything it started
//! when it is told to stop.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use sync_server::AppState;
use sync_server::auth::totp;
use tests::centre::{Centre, day, preview_at};
use tests::desk;
use tests::near::PIN;
use tests::process::Served;
use tests::township::{PASSWORD, Size, Township, code, fill};
use tokio::sync::mpsc;

/// Where the handhelds of the demo are: in the first grid, there is no receiver.
const HERE: &str = "37.623500,104.583500,8";

/// A fictional township to try: server and two handhelds in the browser.
#[derive(Debug, Parser)]
struct Options {
    /// The folder everything is kept in.
    #[arg(long, default_value = "./demo-data")]
    dir: PathBuf,
    /// Delete the folder first.
    #[arg(long)]
    reset: bool,
    /// A township of 600 residents instead of 72,000.
    #[arg(long)]
    small: bool,
    /// Say which codes the log-ins need at this moment, and end.
    #[arg(long)]
    codes: bool,
}

/// In the folder once it is whole: what is there without it is half made and is made anew.
const MARK: &str = "demo-township";
/// Those who need a code beside the password, as the story lists them.
const WITH_CODE: [&str; 5] = ["staff", "staff2", "staff3", "leader1", "admin"];
/// The two members of the first grid.
const MEMBERS: [&str; 2] = ["member1a", "member1b"];

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if options.codes {
        codes();
        return Ok(());
    }
    tokio::select! {
        done = run(&options) => done,
        stop = told_to_stop() => {
            // Dropping `run` has killed the server and both handhelds by then.
            stop.context("waiting for a signal")?;
            println!();
            println!("停了。再来一次：make demo。Stopped; `make demo` goes on from here.");
            Ok(())
        }
    }
}

/// Ctrl-C, or the end of the terminal or machine: dying of either would leave the children behind.
async fn told_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

async fn run(options: &Options) -> Result<()> {
    let dir = &options.dir;
    let data = dir.join("server");
    if options.reset {
        remove(dir)?;
    }
    if !dir.join(MARK).is_file() {
        fill_anew(dir, &data, if options.small { Size::small() } else { Size::full() }).await?;
    }
    seconds(&data)?;
    let centre = Centre::open_at(&data, &address(dir)?).await.context("starting the server")?;
    let mut handhelds: Vec<Served> = Vec::new();
    for (login, port) in MEMBERS.iter().zip([7301, 7302]) {
        let folder = dir.join(login);
        let handheld = centre.handheld(&folder, login).await?;
        println!("第一次同步 First sync: {login} …");
        if let Err(error) = handheld.sync_now().await {
            println!("  {} ({})", error, error.detail);
        }
        // Its database is the preview's from here on.
        drop(handheld);
        handhelds.push(preview_at(&folder, &free(port)?, HERE).await.context("starting a handheld")?);
    }
    story(dir, &centre, &handhelds);
    codes();
    let mut enter = entered();
    loop {
        for handheld in &mut handhelds {
            if handheld.has_ended() {
                bail!("a handheld ended by itself:\n{}", handheld.said().join("\n"));
            }
        }
        tokio::select! {
            Some(()) = enter.recv() => codes(),
            () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {}
        }
    }
}

/// The second factors of a folder that an earlier demo made.
fn seconds(data: &Path) -> Result<()> {
    let app = AppState::open(data, Arc::new(sync_server::system::System))?;
    let users = WITH_CODE.iter().map(|login| app.store.user_by_login(login)).collect::<Result<Vec<_>, _>>()?;
    fill::seconds(&app, users.iter().flatten())
}

/// What an authenticator would show for each log-in that needs one.
fn codes() {
    let now = desk::now();
    let all: Vec<String> = WITH_CODE.iter().map(|login| format!("{login} {}", code(login, now))).collect();
    println!(
        "  动态码 Codes    {}    还有 {} 秒，各用一次 seconds left, each counts once",
        all.join("  "),
        totp::left(now)
    );
}

/// Hears each Enter. Nothing is read where there is no terminal, or where it is another program's: reading would stop us.
fn entered() -> mpsc::UnboundedReceiver<()> {
    let (say, hear) = mpsc::unbounded_channel();
    if std::io::stdin().is_terminal() && in_foreground() {
        println!("  回车：现在的动态码 Enter: the codes of the moment");
        // A thread of its own: one of tokio's would keep the program from ending until the next Enter.
        std::thread::spawn(move || {
            let lines = std::io::stdin().lines().map_while(Result::ok);
            for _ in lines {
                if say.send(()).is_err() {
                    break;
                }
            }
        });
    }
    hear
}

/// Whether the terminal is ours, where the system tells (Linux).
fn in_foreground() -> bool {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return true };
    // After the name in brackets: state, parent, group, session, terminal, the terminal's group.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(2) == fields.get(5)
}

/// Deletes a folder of the demo; any other is refused.
fn remove(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let ours = dir.join(MARK).is_file() || dir.join("server").is_dir();
    let empty = std::fs::read_dir(dir)?.next().is_none();
    ensure!(ours || empty, "{} holds something else than a demo; it is left alone", dir.display());
    std::fs::remove_dir_all(dir).with_context(|| format!("deleting {}", dir.display()))
}

async fn fill_anew(dir: &Path, data: &Path, size: Size) -> Result<()> {
    remove(dir)?;
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    println!("造一个不存在的乡镇 Making a township that does not exist: {} …", size.residents);
    let folder = data.to_owned();
    let filled = tokio::task::spawn_blocking(move || {
        let township = Township::new(7, day(), size)?;
        fill::fill(&township, &folder, Arc::new(sync_server::system::System)).map(|(_, filled)| filled)
    })
    .await??;
    println!("  {} records, {} edits", filled.records, filled.edits);
    std::fs::write(dir.join(MARK), "Made by `make demo`; `make demo-reset` deletes this folder.\n")?;
    Ok(())
}

/// The port asked for on this machine, or any free one if somebody has it.
fn free(port: u16) -> Result<String> {
    let at = |port| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)));
    let listener = at(port).or_else(|_| at(0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.to_string())
}

/// Where the server listens: the handhelds stay with the address they were enrolled at.
fn address(dir: &Path) -> Result<String> {
    let file = dir.join("address");
    if let Ok(address) = std::fs::read_to_string(&file) {
        let address = address.trim().to_owned();
        TcpListener::bind(&address).with_context(|| {
            format!("{address} is taken by another program, and the demo's handhelds look for their server there; end it, or `make demo-reset`")
        })?;
        return Ok(address);
    }
    let address = free(7300)?;
    std::fs::write(&file, &address).with_context(|| format!("writing {}", file.display()))?;
    Ok(address)
}

fn story(dir: &Path, centre: &Centre, handhelds: &[Served]) {
    let [a, b] = [0, 1].map(|n| handhelds.get(n).map_or("", |handheld| handheld.url.as_str()));
    let console = centre.url();
    println!(
        "
  青禾镇（虚构）A township that does not exist. 数据 Data: {dir}

  终端 Handheld   马春兰  {a}
  终端 Handheld   李小满  {b}
  两台的 PIN 都是 PIN of both: {PIN}
  中心 Console            {console}/console/

  登录 Log-ins（密码都是 all with the password {PASSWORD}）
    （staff… leader1 admin 还要动态码，见下 need a code too, see below）
    staff     张玉洁  中心工作人员，可看全号 centre staff, may see numbers in full
    staff2    高明成  中心工作人员，只看掩码 centre staff, masked
    staff3    孟庆云  中心工作人员，可看全号：取全号批次要两个人 the second person for a batch in full
    leader1   王守信  网格长 grid leader        admin  何立新  管理员 administrator
    police justice safety enforcement market civil housing clinic  部门 departments

  试一试 Try this
  1. 两台终端都切到“无网络”。                   Switch both handhelds to “no network”.
  2. 都打开同一位居民：一台改电话，一台改电话和住址。 Open the same resident on both: change the phone on one, phone and address on the other.
  3. 一台随手报一件事，拍一张照片。              Report an event with a photo on one.
  4. 都恢复网络：住址自己并好，电话“待核对”，两个值、谁、何时。 Back on the network: the address merges by itself, the phone asks, with both values, who and when.
  5. 在任一处选一个，处处都定了；在中心取一批数据。   Settle it anywhere, it is settled everywhere; then pull a batch in the console.

  Ctrl-C 全部停止 stops all of it.
",
        dir = dir.display(),
    );
}
