//! Where the photos of a story are kept: in the data folder, or in a bucket of an S3 storage (moto, a program of others) that
//! runs as long as the story does and looks at keys and signatures.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use object_store::aws::AmazonS3Builder;
use sync_server::blobs::Blobs;
use sync_server::blobs::bucket::Bucket;
use sync_server::blobs::place::Place;

use super::{AREAS, Centre, Clock, Handheld, import_areas};

/// Tells each story twice.
macro_rules! in_folder_and_bucket {
    ($($story:ident),* $(,)?) => {
        mod in_folder {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(&crate::common::moto::Kept::Folder).await;
            })*
        }
        mod in_bucket {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(&crate::common::moto::Kept::Bucket(crate::common::moto::Moto::start())).await;
            })*
        }
    };
}
pub(crate) use in_folder_and_bucket;

/// Where photos are.
pub enum Kept {
    Folder,
    Bucket(Moto),
}

/// The storage; dropped it ends, and all that it kept is gone.
pub struct Moto {
    child: Child,
    told: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub url: String,
    /// Of the key that may use its bucket.
    pub id: String,
    pub secret: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Moto {
    pub fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/moto");
        let python = folder.join("venv/bin/python");
        assert!(python.exists(), "{} is not there; `make setup-browser` installs it", python.display());
        let mut command = Command::new(python);
        let command = command.arg(folder.join("serve.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let [url, id, secret] = line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        let told = Mutex::new((child.stdin.take().unwrap(), out));
        Self { child, told, url, id, secret }
    }

    /// Does what is told in one word; see `serve.py`.
    pub fn tell(&self, word: &str) {
        assert_eq!(self.ask(word), word);
    }

    /// The same, whatever it answers.
    pub fn ask(&self, word: &str) -> String {
        let mut told = self.told.lock().unwrap();
        writeln!(told.0, "{word}").unwrap();
        let mut line = String::new();
        told.1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The bucket as the command line names it.
    pub fn place(&self) -> String {
        format!("s3://photos/town/2?endpoint={}&region=us-east-1", self.url)
    }

    pub fn key(&self) -> AmazonS3Builder {
        AmazonS3Builder::new().with_access_key_id(&self.id).with_secret_access_key(&self.secret)
    }

    /// The bucket, opened by a server of its own.
    pub fn bucket(&self) -> Arc<dyn Blobs> {
        let Place::Bucket(at) = self.place().parse().unwrap() else { panic!("a bucket") };
        Arc::new(Bucket::open(&at, self.key()).unwrap())
    }

    /// For a program that uses it.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("AWS_ACCESS_KEY_ID", &self.id), ("AWS_SECRET_ACCESS_KEY", &self.secret)]
    }
}

impl Centre {
    /// A centre that keeps its photos there.
    pub async fn keeping(kept: &Kept) -> Self {
        let centre = Self::keeping_over(kept, |_| {}).await;
        import_areas(&centre.app, AREAS.as_bytes()).unwrap();
        centre
    }

    /// The same without areas, with a state that is changed before it serves.
    pub async fn keeping_over(kept: &Kept, change: impl FnOnce(&mut sync_server::AppState)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(folder, Arc::new(Clock::default()), |state| {
            if let Kept::Bucket(moto) = kept {
                state.blobs = moto.bucket();
            }
            change(state);
        })
        .await
    }

    /// Another server over the same database and the same bucket, with nothing else of the first.
    pub async fn beside(&self, moto: &Moto) -> Self {
        let mut app = sync_server::AppState::open(self.folder.path(), self.clock.clone()).unwrap();
        Arc::get_mut(&mut app).expect("nobody else holds it yet").blobs = moto.bucket();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(sync_server::http::serve(app.clone(), listener, std::future::pending()));
        let folder = tempfile::tempdir().unwrap();
        Self { app, url, clock: self.clock.clone(), folder, http: reqwest::Client::new() }
    }

    /// The same centre, as a program is asked that runs over its folder.
    pub fn reached_by(&self, url: &str) -> Self {
        let (app, clock, http) = (self.app.clone(), self.clock.clone(), reqwest::Client::new());
        Self { app, url: url.to_owned(), clock, folder: tempfile::tempdir().unwrap(), http }
    }
}

impl Handheld<'_> {
    /// The same handheld, as it asks another server.
    pub fn asking<'a>(&self, centre: &'a Centre) -> Handheld<'a> {
        Handheld {
            centre,
            author: self.author.clone(),
            token: self.token.clone(),
            slot: self.slot,
            n: self.n,
            cursor: self.cursor.clone(),
            setup: self.setup.clone(),
            confirmed: self.confirmed.clone(),
            enrolled: self.enrolled.clone(),
        }
    }
}
