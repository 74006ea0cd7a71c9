//! A newer version of the app: told of by the centre, fetched over a bad line once all is delivered, and never other bytes than
//! the centre's.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use app::handheld::{Handheld, Update};
use app::platform::{Boxed, Device, Services};
use app::sync::{Connect, Method, Request, Response, Transport, TransportError, Trust};
use shared::record::RecordKind;
use sync_server::App;
use sync_server::package::Packages;
use tests::near::{self, GRID, PIN, Replay};
use tests::story::Story as _;

/// What happens to the pieces of a package on their way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Whole,
    BreaksAfter(usize),
    Altered,
}

#[derive(Clone)]
struct Line(App, Arc<Mutex<Way>>, Arc<AtomicUsize>);

impl Connect for Line {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Line {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            if !request.path.starts_with("/api/v1/app/") {
                return near::deliver(&self.0, &request).await;
            }
            let way = *self.1.lock().unwrap();
            let came = self.2.load(Ordering::SeqCst);
            if matches!(way, Way::BreaksAfter(most) if came >= most) {
                return Err(TransportError::Broken("the line broke".to_owned()));
            }
            let mut response = near::deliver(&self.0, &request).await?;
            self.2.fetch_add(response.body.len(), Ordering::SeqCst);
            if let (Way::Altered, Some(byte)) = (way, response.body.first_mut()) {
                *byte ^= 1;
            }
            Ok(response)
        })
    }
}

/// A device that installs what it is given, and keeps which.
#[derive(Default)]
struct Installs(Mutex<Vec<PathBuf>>);

impl Device for Installs {
    fn name(&self) -> String {
        "a terminal".to_owned()
    }

    fn install(&self, package: &Path) -> bool {
        self.0.lock().unwrap().push(package.to_owned());
        true
    }
}

struct Scene {
    dir: tempfile::TempDir,
    line: Line,
    device: Arc<Installs>,
    package: Vec<u8>,
}

impl Scene {
    fn set(least: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let apps = dir.path().join("apps");
        std::fs::create_dir(&apps)?;
        let package: Vec<u8> = (0_u32..3_000_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(apps.join("grid-handheld-9.10.0-release.apk"), &package)?;
        // Neither is offered: an older one, and one that is signed by nobody.
        std::fs::write(apps.join("grid-handheld-9.9.0-release.apk"), b"older")?;
        std::fs::write(apps.join("grid-handheld-9.11.0-debug.apk"), b"to try")?;
        let mut app = near::centre(&dir.path().join("server"), Replay::new(1))?;
        Arc::get_mut(&mut app).context("nobody else has it")?.packages =
            Packages::of(Some(apps), Some(least.to_owned()));
        let line = Line(app, Arc::new(Mutex::new(Way::Whole)), Arc::default());
        Ok(Self { dir, line, device: Arc::default(), package })
    }

    async fn handheld(&self) -> Result<Handheld> {
        let folder = self.dir.path().join("a");
        let device = Arc::clone(&self.device) as Arc<dyn Device>;
        let services = Services { connect: Arc::new(self.line.clone()), device, ..near::quick(&folder) };
        let handheld = Handheld::open(&folder, services, Replay::new(2))?;
        let code = sync_server::auth::enrol::make_code(&self.line.0, &near::person(&self.line.0, "a")?)?;
        handheld.enrol("http://127.0.0.1", &code, PIN).await?;
        sync(&handheld).await?;
        Ok(handheld)
    }

    fn way(&self, way: Way) {
        *self.line.1.lock().unwrap() = way;
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

fn offered(handheld: &Handheld) -> Result<Update> {
    handheld.update()?.context("something is offered")
}

async fn refused(handheld: &Handheld) -> Result<String> {
    let error = handheld.install_update().await.err().context("it was refused")?;
    Ok(error.message.key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_the_centre_wants_replaced_delivers_first_and_is_replaced_then() -> Result<()> {
    let scene = Scene::set("9.0.0")?;
    let handheld = scene.handheld().await?;
    let record = handheld.create(RecordKind::Person, GRID, &[("name", "马存义")])?.record;
    let update = offered(&handheld)?;
    ensure!(update.version.as_deref() == Some("9.10.0") && update.bytes == 3_000_000 && update.urgent, "{update:?}");
    ensure!(!update.allowed, "something waits");
    ensure!(refused(&handheld).await? == "update-not-delivered");
    ensure!(scene.line.2.load(Ordering::SeqCst) == 0, "not a byte was fetched");

    sync(&handheld).await?;
    ensure!(handheld.outbox()?.is_empty(), "too old for the centre, it delivers all the same");
    ensure!(offered(&handheld)?.allowed);

    // A line that breaks costs what was on it, never what had come.
    scene.way(Way::BreaksAfter(1_000_000));
    ensure!(refused(&handheld).await? == "sync-unreachable");
    let here = offered(&handheld)?.here;
    ensure!((1_000_000..3_000_000).contains(&here), "{here} bytes are here");
    scene.way(Way::Whole);
    let said = handheld.install_update().await?;
    ensure!(said.key == "update-installing");
    ensure!(scene.line.2.load(Ordering::SeqCst) == 3_000_000, "no byte came twice");
    let installed = scene.device.0.lock().unwrap().clone();
    ensure!(std::fs::read(installed.first().context("the system got it")?)? == scene.package);
    // Pressed again, for somebody said no to the system: nothing is fetched any more.
    handheld.install_update().await?;
    ensure!(scene.line.2.load(Ordering::SeqCst) == 3_000_000);
    ensure!(handheld.values(record, "name")? == ["马存义"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_centres_package_to_the_byte_is_never_installed() -> Result<()> {
    let scene = Scene::set("0.0.1")?;
    let handheld = scene.handheld().await?;
    ensure!(!offered(&handheld)?.urgent, "newer, but nobody presses");
    scene.way(Way::Altered);
    ensure!(refused(&handheld).await? == "update-not-verified");
    ensure!(scene.device.0.lock().unwrap().is_empty());
    ensure!(offered(&handheld)?.here == 0, "nothing of it is kept");
    scene.way(Way::Whole);
    handheld.install_update().await?;

    // A newer one takes its place, on the handheld too.
    let apps = scene.dir.path().join("apps");
    std::fs::write(apps.join("grid-handheld-10.0.0-release.apk"), b"newer")?;
    sync(&handheld).await?;
    ensure!(offered(&handheld)?.version.as_deref() == Some("10.0.0"));
    handheld.install_update().await?;
    let kept = std::fs::read_dir(scene.dir.path().join("a/updates"))?.count();
    ensure!(kept == 1, "{kept} packages lie there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_given_to_terminals_alone_and_nothing_else_by_its_way() -> Result<()> {
    let scene = Scene::set("0.0.1")?;
    let handheld = scene.handheld().await?;
    let offer = handheld.setup().context("the set-up")?.app.clone().context("an offer")?;
    let hash = offer.newest.context("a package")?.sha256;
    let token = handheld.store()?.meta()?.token;
    let ask = async |path: &str, token: Option<&str>| -> Result<u16> {
        let headers = token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect();
        let request = Request {
            method: Method::Get,
            path: path.to_owned(),
            headers,
            body: Vec::new(),
            timeout: std::time::Duration::from_secs(9),
        };
        Ok(near::deliver(&scene.line.0, &request).await?.status)
    };
    let path = format!("/api/v1/app/{hash}");
    ensure!(ask(&path, Some(&token)).await? == 200);
    ensure!(ask(&path, None).await? == 401);
    ensure!(ask("/api/v1/app/0000", Some(&token)).await? == 404);
    ensure!(ask("/api/v1/app/..%2Fserver%2Ftown.db", Some(&token)).await? == 404);
    ensure!(ask("/api/v1/app/grid-handheld-9.9.0-release.apk", Some(&token)).await? == 404);
    Ok(())
}
