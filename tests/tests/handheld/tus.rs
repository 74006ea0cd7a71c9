//! The server's uploads by programs that others wrote: tus-js-client and tuspy, over a line that breaks in the middle. `make
//! setup-browser` installs both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use tests::centre::Centre;
use tests::uploads::{Phone, photo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// A line to the server that breaks when so many bytes went up in all, each time once.
async fn breaking(server: SocketAddr, breaks: &'static [usize]) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let passed = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // What a connection ends with is the client's to find out.
            tokio::spawn(carry(client, server, breaks, Arc::clone(&passed)));
        }
    });
    Ok(address)
}

async fn carry(client: TcpStream, server: SocketAddr, breaks: &[usize], passed: Arc<AtomicUsize>) -> Result<()> {
    let (mut from, mut back) = client.into_split();
    let (mut answers, mut up) = TcpStream::connect(server).await?.into_split();
    let down = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
    let mut buffer = vec![0; 16 * 1024];
    let carried = async {
        loop {
            let came = from.read(&mut buffer).await?;
            let before = passed.load(Ordering::SeqCst);
            let next = breaks.iter().find(|at| **at > before).map_or(usize::MAX, |at| at - before);
            let bytes = buffer.get(..came.min(next)).unwrap_or_default();
            up.write_all(bytes).await?;
            passed.fetch_add(bytes.len(), Ordering::SeqCst);
            if came == 0 || came >= next {
                return anyhow::Ok(());
            }
        }
    };
    let ended = carried.await;
    down.abort();
    ended
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tus")
}

fn installed(path: &str) -> Result<PathBuf> {
    let path = folder().join(path);
    ensure!(path.exists(), "{} is not there; `make setup-browser` installs it", path.display());
    Ok(path)
}

async fn run(program: &Path, args: &[&str]) -> Result<(Output, String)> {
    let mut command = Command::new(program);
    let command = command.args(args).current_dir(folder()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("running {}", program.display()))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output, said))
}

#[tokio::test(flavor = "multi_thread")]
async fn tus_js_client_goes_on_by_itself_where_the_line_broke() -> Result<()> {
    installed("node_modules/tus-js-client")?;
    let dir = tempfile::tempdir()?;
    let centre = Centre::small(&dir.path().join("server")).await?;
    let phone = Phone::enrol(&centre, "a").await?;
    let bytes = photo(1)?;
    let file = dir.path().join("photo.jpg");
    std::fs::write(&file, &bytes)?;
    let line = breaking(centre.url().trim_start_matches("http://").parse()?, &[90_000, 200_000]).await?;
    let endpoint = format!("http://{line}/api/v1/photos");
    let hash = Phone::hash(&bytes);
    let args = ["upload.mjs", &endpoint, &phone.token, file.to_str().context("a path")?, hash.as_str()];
    let (output, said) = run(Path::new("node"), &args).await?;
    ensure!(output.status.success() && said.contains("done"), "{said}");
    let resumed = said.lines().filter_map(|line| line.strip_prefix("HEAD 200 ")?.parse::<usize>().ok());
    let resumed: Vec<usize> = resumed.collect();
    // What had gone up was kept and is not sent again. While the server still writes what the dead line had brought, it may be asked
    // more than once.
    ensure!(resumed.first().is_some_and(|kept| *kept > 0) && resumed.is_sorted(), "{resumed:?}: {said}");
    ensure!(resumed.iter().any(|kept| (85_000..=200_000).contains(kept)), "{resumed:?}: {said}");
    phone.has_it_whole_and_once(&centre, &bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tuspy_gives_up_and_another_run_of_it_goes_on() -> Result<()> {
    let python = installed("venv/bin/python")?;
    let dir = tempfile::tempdir()?;
    let centre = Centre::small(&dir.path().join("server")).await?;
    let phone = Phone::enrol(&centre, "a").await?;
    let bytes = photo(2)?;
    let file = dir.path().join("photo.jpg");
    std::fs::write(&file, &bytes)?;
    let line = breaking(centre.url().trim_start_matches("http://").parse()?, &[130_000]).await?;
    let endpoint = format!("http://{line}/api/v1/photos");
    let (file, hash) = (file.to_str().context("a path")?, Phone::hash(&bytes));
    let begin = ["upload.py", &endpoint, &phone.token, file, hash.as_str()];
    let (output, said) = run(&python, &begin).await?;
    ensure!(!output.status.success() && !said.contains("done"), "the line broke: {said}");
    let url = said.lines().next().context("it says where")?;
    let (output, said) = run(&python, &[begin.as_slice(), &[url]].concat()).await?;
    ensure!(output.status.success() && said.contains("done"), "{said}");
    ensure!(said.lines().nth(1) == Some("100000"), "two whole pieces were there: {said}");
    phone.has_it_whole_and_once(&centre, &bytes).await
}
