//! Who the handheld speaks with: TLS on real sockets, the certificate's pin, and the words when something is wrong with it.

use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use app::handheld::{Handheld, SyncError};
use app::platform::Services;
use app::sync::{Connect, FoldersConnect, HttpConnect, Method, Request, Trust};
use chrono::{DateTime, TimeDelta, Utc};
use shared::key_pin::EnrolLine;
use shared::outside::Outside as _;
use shared::record::RecordKind;
use sync_server::App;
use sync_server::auth::enrol::{make_code, typed};
use sync_server::system::System;
use sync_server::tls::Tls;
use sync_server::tls::keep::{self, Wanted};
use tempfile::TempDir;
use tests::near::{self, GRID, PIN, quick};
use tests::process::program;
use tests::story::Story;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn wanted(now: DateTime<Utc>, days: u32) -> Wanted {
    Wanted { names: vec!["127.0.0.1".to_owned()], now, days }
}

/// Listens where somebody else may just be letting go.
async fn listen(address: SocketAddr) -> Result<TcpListener> {
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::task::yield_now().await,
            other => return Ok(other?),
        }
    }
}

/// A centre that speaks TLS.
struct Centre {
    app: App,
    dir: TempDir,
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<std::io::Result<()>>)>,
}

impl Centre {
    async fn open() -> Result<Self> {
        Self::with(&wanted(System.now(), 825)).await
    }

    async fn with(wanted: &Wanted) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        keep::init(&dir.path().join("server"), wanted)?;
        let app = near::centre(&dir.path().join("server"), Arc::new(System))?;
        let mut centre = Self { app, dir, address: "127.0.0.1:0".parse()?, running: None };
        centre.serve().await?;
        Ok(centre)
    }

    async fn serve(&mut self) -> Result<()> {
        let listener = listen(self.address).await?;
        self.address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            stopped.await.ok();
        };
        self.running = Some((stop, tokio::spawn(sync_server::http::serve(self.app.clone(), listener, until))));
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let (stop, done) = self.running.take().context("it runs")?;
        stop.send(()).ok();
        Ok(done.await??)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The digits that the console shows.
    fn digits(&self, login: &str) -> Result<String> {
        Ok(typed(&make_code(&self.app, &near::person(&self.app, login)?)?, &self.app.tls.pins()))
    }

    /// The line that the console shows.
    fn line(&self, login: &str) -> Result<String> {
        let code = make_code(&self.app, &near::person(&self.app, login)?)?;
        Ok(EnrolLine { server: self.url(), code, pins: self.app.tls.pins() }.to_string())
    }

    /// A handheld of this name, as it is after it was switched on.
    fn hand(&self, name: &str) -> Result<Handheld> {
        switched_on(&self.dir.path().join(name))
    }

    async fn enrolled(&self, login: &str) -> Result<Handheld> {
        let hand = self.hand(login)?;
        hand.enrol(&self.line(login)?, "", PIN).await?;
        hand.sync_now().await?;
        Ok(hand)
    }
}

fn switched_on(folder: &FilePath) -> Result<Handheld> {
    let services = Services { connect: Arc::new(HttpConnect), ..quick(folder) };
    let hand = Handheld::open(folder, services, Arc::new(app::system::System))?;
    near::let_in(&hand)?;
    Ok(hand)
}

fn write_something(hand: &Handheld) -> Result<()> {
    hand.create(RecordKind::Person, GRID, &[("name", "马秀英")])?;
    Ok(())
}

/// What the user reads: with no argument missing, in both languages.
fn words(error: &SyncError) -> String {
    use assets::messages::{Lang, Messages};
    let said: Vec<String> =
        [Lang::Zh, Lang::En].map(|lang| error.message.text(&Messages::of(lang))).into_iter().collect();
    assert!(said.iter().all(|text| !text.contains(['{', '}']) && *text != error.message.key), "{said:?}");
    said.join("\n")
}

/// Somebody at the centre's address with a certificate of their own; notes what they get to read.
struct Stranger {
    read: Arc<Mutex<Vec<u8>>>,
    handshakes: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
    address: SocketAddr,
}

impl Stranger {
    async fn at(address: SocketAddr) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        keep::init(dir.path(), &wanted(System.now(), 825))?;
        let shown = Tls::open(dir.path(), None, Vec::new())?.now().context("a certificate")?;
        let listener = listen(address).await?;
        let address = listener.local_addr()?;
        let (read, handshakes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (kept, count) = (Arc::clone(&read), Arc::clone(&handshakes));
        let task = tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(shown.config);
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut bytes = Vec::new();
                    stream.read_to_end(&mut bytes).await.ok();
                    kept.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
                }
            }
        });
        Ok(Self { read, handshakes, task, address })
    }

    /// How many came, and that nobody told them anything.
    fn came_and_said_nothing(&self) -> Result<usize> {
        ensure!(self.read.lock().unwrap_or_else(PoisonError::into_inner).is_empty(), "they read something");
        Ok(*self.handshakes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_enrols_with_the_pasted_line_or_with_sixteen_digits_and_syncs() -> Result<()> {
    let centre = Centre::open().await?;
    let alice = centre.hand("alice")?;
    alice.enrol(&centre.line("a")?, "", PIN).await?;
    let bob = centre.hand("bob")?;
    let digits = centre.digits("b")?;
    assert_eq!(digits.len(), 16);
    let apart = format!("{} {}-{}", &digits[..5], &digits[5..10], &digits[10..]);
    bob.enrol(&centre.url(), &apart, PIN).await?;
    for hand in [&alice, &bob] {
        assert_eq!(hand.setup().context("a set-up")?.pins, centre.app.tls.pins(), "kept with the enrolment");
        write_something(hand)?;
        hand.sync_now().await?;
        assert_eq!(hand.outbox_counts()?.edits, 0);
    }
    // Switched off and on.
    drop(bob);
    centre.hand("bob")?.sync_now().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_do_not_go_with_the_key_send_nothing_and_cost_no_code() -> Result<()> {
    let centre = Centre::open().await?;
    let alice = centre.hand("alice")?;
    let digits = centre.digits("a")?;
    let (code, check) = digits.split_at(10);
    let other: String = check.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect();
    let error = alice.enrol(&centre.url(), &format!("{code}{other}"), PIN).await.err().context("refused")?;
    assert_eq!(error.message.key, "enrol-wrong-key");
    ensure!(words(&error).contains("中心"));
    // Who sits in between has a key of their own, and the digits are right.
    let stranger = Stranger::at("127.0.0.1:0".parse()?).await?;
    let error = alice.enrol(&format!("https://{}", stranger.address), &digits, PIN).await.err().context("refused")?;
    assert_eq!((error.message.key.as_str(), stranger.came_and_said_nothing()?), ("enrol-wrong-key", 1));
    // Without the check digits nobody vouches for a certificate of one's own.
    let error = alice.enrol(&centre.url(), code, PIN).await.err().context("refused")?;
    assert_eq!(error.message.key, "sync-untrusted");
    words(&error);
    alice.enrol(&centre.url(), &digits, PIN).await.context("the code is still good")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_at_the_same_address_gets_nothing() -> Result<()> {
    let mut centre = Centre::open().await?;
    let alice = centre.enrolled("a").await?;
    write_something(&alice)?;
    drop(alice);
    centre.stop().await?;
    let stranger = Stranger::at(centre.address).await?;
    let alice = centre.hand("a")?;
    for attempt in 1..=2 {
        let error = alice.sync_now().await.err().context("refused")?;
        assert_eq!(error.message.key, "sync-wrong-key");
        ensure!(error.retry.is_none(), "it is no bad network that will pass");
        words(&error);
        assert_eq!(stranger.came_and_said_nothing()?, attempt);
    }
    assert_eq!(alice.outbox_counts()?.edits, 1);
    drop(stranger);
    centre.serve().await?;
    alice.sync_now().await.context("the real one is back")?;
    assert_eq!(alice.outbox_counts()?.edits, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_not_noticed_and_an_announced_key_is_known() -> Result<()> {
    let centre = Centre::open().await?;
    let data = centre.data();
    centre.enrolled("a").await?;
    centre.enrolled("b").await?;
    let first = centre.app.tls.certificate().context("a certificate")?;
    keep::renew(&data, &wanted(System.now(), 90))?;
    centre.hand("a")?.sync_now().await?;
    centre.hand("b")?.sync_now().await?;
    let renewed = centre.app.tls.certificate().context("a certificate")?;
    ensure!(renewed.until < first.until, "the running server took it");
    assert_eq!(renewed.pin, first.pin);

    let next = keep::next(&data)?;
    let alice = centre.hand("a")?;
    alice.sync_now().await?;
    assert_eq!(alice.setup().context("a set-up")?.pins, [first.pin, next]);
    drop(alice);
    keep::switch(&data, &wanted(System.now(), 825))?;
    let alice = centre.hand("a")?;
    write_something(&alice)?;
    alice.sync_now().await.context("who heard of it goes on")?;
    assert_eq!(alice.setup().context("a set-up")?.pins, [next]);

    let bob = centre.hand("b")?;
    write_something(&bob)?;
    let error = bob.sync_now().await.err().context("who did not is not sure")?;
    assert_eq!((error.message.key.as_str(), bob.outbox_counts()?.edits), ("sync-wrong-key", 1));
    bob.enrol(&centre.url(), &centre.digits("b")?, PIN).await.context("enrolled again")?;
    bob.sync_now().await?;
    assert_eq!(bob.outbox_counts()?.edits, 0, "nothing was lost by it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_ended_or_not_begun_names_both_dates() -> Result<()> {
    let today = (System.now() + TimeDelta::hours(8)).date_naive().to_string();
    let ended = Centre::with(&wanted(System.now() - TimeDelta::days(40), 30)).await?;
    let error = ended.hand("alice")?.enrol(&ended.line("a")?, "", PIN).await.err().context("refused")?;
    assert_eq!(error.message.key, "sync-certificate-ended");
    let until = ended.app.tls.certificate().context("a certificate")?.until + TimeDelta::hours(8);
    ensure!(words(&error).contains(&today) && words(&error).contains(&until.date_naive().to_string()));

    let early = Centre::with(&wanted(System.now() + TimeDelta::days(400), 30)).await?;
    let error = early.hand("alice")?.enrol(&early.url(), &early.digits("a")?, PIN).await.err().context("refused")?;
    assert_eq!(error.message.key, "sync-certificate-not-yet");
    ensure!(words(&error).contains(&today));

    // The enrolled one keeps its work, and goes on when the centre has renewed.
    keep::renew(&ended.data(), &wanted(System.now(), 30))?;
    let alice = ended.enrolled("a").await?;
    write_something(&alice)?;
    drop(alice);
    keep::renew(&ended.data(), &wanted(System.now() - TimeDelta::days(40), 30))?;
    let alice = ended.hand("a")?;
    let error = alice.sync_now().await.err().context("refused")?;
    assert_eq!((error.message.key.as_str(), alice.outbox_counts()?.edits), ("sync-certificate-ended", 1));
    keep::renew(&ended.data(), &wanted(System.now(), 30))?;
    alice.sync_now().await?;
    assert_eq!(alice.outbox_counts()?.edits, 0);
    Ok(())
}

/// Answers the first bytes of each connection with these.
async fn answering(answer: Vec<u8>) -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 4096];
            if stream.read(&mut hello).await.is_ok_and(|read| read > 0) {
                stream.write_all(&answer).await.ok();
            }
            stream.shutdown().await.ok();
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
        }
    });
    Ok((address, task))
}

#[tokio::test(flavor = "multi_thread")]
async fn old_tls_and_none_at_all_are_refused_with_words() -> Result<()> {
    let centre = Centre::open().await?;
    // ServerHello of TLS 1.1 (RFC 4346 7.4.1.3): version, 32 bytes of chance, no session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    // A fatal alert: protocol_version (RFC 8446 6.2).
    let alert = vec![0x15, 3, 2, 0, 2, 2, 70];
    let http = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec();
    for (answer, key) in [(hello, "sync-old-tls"), (alert, "sync-old-tls"), (http, "sync-no-tls")] {
        let (address, task) = answering(answer).await?;
        for code in [centre.digits("a")?, "0123456789".to_owned()] {
            let alice = centre.hand("alice")?;
            let error = alice.enrol(&format!("https://{address}"), &code, PIN).await.err().context("refused")?;
            assert_eq!(error.message.key, key, "{}", error.detail);
            words(&error);
        }
        task.abort();
    }
    let error = centre.hand("alice")?.enrol("http://192.0.2.1", "0123456789", PIN).await.err().context("refused")?;
    assert_eq!(error.message.key, "sync-cleartext");
    words(&error);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_no_old_tls_and_answers_cleartext_in_words() -> Result<()> {
    let centre = Centre::open().await?;
    for minor in [1, 2] {
        let mut stream = TcpStream::connect(centre.address).await?;
        // ClientHello of TLS 1.0 and 1.1 (RFC 4346 7.4.1.2) with the same suite and no extensions.
        let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
        stream.write_all(&hello).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        ensure!(answer.first() == Some(&0x15) && answer.len() == 7, "an alert and nothing else: {answer:x?}");
    }
    let mut stream = TcpStream::connect(centre.address).await?;
    stream.write_all(b"GET /console HTTP/1.1\r\nhost: centre\r\n\r\n").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://") && answer.contains("加密"), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_never_ends_a_handshake_holds_up_nobody() -> Result<()> {
    let mut centre = Centre::open().await?;
    let mut slow = Vec::new();
    for first in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        for _ in 0..100 {
            let mut stream = TcpStream::connect(centre.address).await?;
            stream.write_all(first).await?;
            slow.push(stream);
        }
    }
    // A bound, so that a server that waits for them fails this story instead of holding it up for ever.
    let served = async {
        let alice = centre.enrolled("a").await?;
        write_something(&alice)?;
        alice.sync_now().await?;
        assert_eq!(alice.outbox_counts()?.edits, 0);
        anyhow::Ok(())
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), served).await.context("others are held up")??;
    centre.stop().await.context("nor the end of the server")?;
    drop(slow);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consoles_cookie_is_for_https_only() -> Result<()> {
    let centre = Centre::open().await?;
    let password = "黄河流过景泰县-7300";
    let staff = near::person(&centre.app, "staff")?;
    sync_server::auth::session::change_password(&centre.app, &staff, password, None)?;
    let line = HttpConnect.connect(&centre.url(), &Trust::of(&centre.app.tls.pins()))?;
    let body: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = line
        .send(Request {
            method: Method::Post,
            path: "/console/login".to_owned(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            body: format!("login=staff&password={body}").into_bytes(),
            timeout: std::time::Duration::from_secs(60),
        })
        .await?;
    assert_eq!(answer.status, 303, "{}", String::from_utf8_lossy(&answer.body));
    let cookie = answer.header("set-cookie").context("a cookie")?;
    ensure!(cookie.contains("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    Ok(())
}

/// Runs the server's program to its end; what it said, and whether it was content.
fn run(args: &[&str]) -> Result<(bool, String)> {
    let done = std::process::Command::new(program("sync-server")?).args(args).output()?;
    let said = [done.stdout, done.stderr].concat();
    Ok((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_commands_make_keep_and_show_a_certificate() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let folder = data.to_string_lossy();
    let (well, said) = run(&["serve", "--data", &folder, "--listen", "0.0.0.0:0"])?;
    ensure!(!well && said.contains("cert init") && said.contains("--behind-proxy"), "{said}");
    let (well, made) = run(&["cert", "init", "--data", &folder, "--name", "centre.example", "--name", "192.0.2.7"])?;
    ensure!(well && made.contains("names centre.example, 192.0.2.7"), "{made}");
    let pin = made.lines().find_map(|line| line.strip_prefix("pin ")).context("a pin")?.to_owned();
    let before = std::fs::read(data.join("tls.pem"))?;
    let (well, said) = run(&["cert", "init", "--data", &folder, "--name", "other.example"])?;
    ensure!(!well && said.contains("cert renew") && std::fs::read(data.join("tls.pem"))? == before, "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(data.join("tls.pem"))?.permissions().mode() & 0o777, 0o600);
    }
    let (well, said) = run(&["cert", "renew", "--data", &folder])?;
    ensure!(well && said.contains(&pin) && said.contains("names centre.example, 192.0.2.7"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(data.join("tls.pem"))?.permissions().mode() & 0o777, 0o600);
    }
    let (well, said) = run(&["cert", "switch", "--data", &folder])?;
    ensure!(!well && said.contains("cert next"), "{said}");
    let (well, said) = run(&["cert", "next", "--data", &folder])?;
    let next = said.lines().find_map(|line| line.strip_prefix("next pin ")).context("the next pin")?.to_owned();
    ensure!(well && next != pin);
    let (well, said) = run(&["cert", "switch", "--data", &folder])?;
    ensure!(well && said.contains(&format!("\npin {next}\n")) && !said.contains("next pin"), "{said}");
    // A backup holds the key: a restored server is known by its handhelds.
    let (kept, back) = (dir.path().join("backups"), dir.path().join("restored"));
    let (well, said) = run(&["backup", "--data", &folder, "--to", &kept.to_string_lossy()])?;
    ensure!(well, "{said}");
    let folder = std::fs::read_dir(&kept)?.filter_map(Result::ok).map(|entry| entry.path());
    let folder = folder.filter(|path| path.is_dir()).max().context("a backup")?;
    let (well, said) = run(&["restore", "--from", &folder.to_string_lossy(), "--data", &back.to_string_lossy()])?;
    ensure!(well, "{said}");
    let (_, said) = run(&["cert", "show", "--data", &back.to_string_lossy()])?;
    ensure!(said.contains(&format!("\npin {next}\n")), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_system_keeps_what_it_trusts_in_a_folder_that_is_taken_and_nothing_else() -> Result<()> {
    let centre = Centre::open().await?;
    let (none, some) = (centre.dir.path().join("none"), centre.dir.path().join("cacerts"));
    std::fs::create_dir(&some)?;
    std::fs::write(some.join("00000000.0"), "of no use")?;
    let enrol = async |name: &str, folders: Vec<PathBuf>| -> Result<Result<(), SyncError>> {
        let folder = centre.dir.path().join(name);
        let services = Services { connect: Arc::new(FoldersConnect(folders)), ..quick(&folder) };
        let hand = Handheld::open(&folder, services, Arc::new(app::system::System))?;
        let code = make_code(&centre.app, &near::person(&centre.app, "a")?)?;
        Ok(hand.enrol(&centre.url(), &code, PIN).await.map(|_| ()))
    };
    let refused = enrol("stranger", vec![none.clone(), some.clone()]).await?.err().context("nobody is trusted")?;
    ensure!(refused.message.key == "sync-untrusted", "{}", refused.detail);
    std::fs::copy(centre.data().join("tls.pem"), some.join("11111111.0"))?;
    enrol("known", vec![none, some]).await?.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))?;
    Ok(())
}
