//! The program over a bucket: what it says when it cannot be used, that other commands find it, and that one of two servers may
//! be killed at any moment.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use shared::author::Role;

use crate::common::moto::Moto;
use crate::common::tus::*;
use crate::common::*;
use crate::uploads::{STEP, large};

fn program(args: &[&str], keys: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-server"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("LANG", "zh_CN.UTF-8").envs(keys.iter().copied()).args(args);
    command
}

/// A server over a folder and a bucket, killed when it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(data: &Path, moto: &Moto, more: &[&str]) -> Self {
        let args = [&["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"], more].concat();
        let mut child =
            program(&args, &moto.environment()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().expect("it says where it listens").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a server says that does not start.
fn refused(data: &Path, blobs: &str, keys: &[(&str, &str)]) -> String {
    let args = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--blobs", blobs];
    let mut child = program(&args, keys).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut said) = (String::new(), String::new());
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut out).unwrap();
    if !out.is_empty() {
        child.kill().unwrap();
        panic!("it started: {out}");
    }
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    said
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_at_the_start_in_plain_words_and_no_key_is_repeated() {
    let moto = Moto::start();
    let folder = tempfile::tempdir().unwrap();
    let (data, place) = (folder.path(), moto.place());
    let wrong = [("AWS_ACCESS_KEY_ID", "AKIAWRONG"), ("AWS_SECRET_ACCESS_KEY", "not-the-secret")];
    let half = [("AWS_ACCESS_KEY_ID", moto.id.as_str()), ("AWS_SECRET_ACCESS_KEY", "not-the-secret")];
    let right = moto.environment();
    let there = place.replace("//photos/", "//no-such-bucket/");
    let plain = "s3://photos?endpoint=http://10.255.255.1:9000";
    for (blobs, keys, words) in [
        (place.as_str(), &[][..], "请先在环境变量 AWS_ACCESS_KEY_ID"),
        (&place, &wrong, "没有接受这些访问密钥（InvalidAccessKeyId）"),
        (&place, &half, "没有接受这些访问密钥（SignatureDoesNotMatch）"),
        (&there, &right, "没有这个存储桶"),
        (plain, &right, "它不加密"),
        ("s3://AKIA:secret@photos", &right, "AWS_SECRET_ACCESS_KEY"),
        ("s3://photos?secret=1", &right, "endpoint, region"),
    ] {
        let said = refused(data, blobs, keys);
        assert!(said.contains(words), "{blobs}: {said}");
        for key in ["AKIAWRONG", "not-the-secret", &moto.id, &moto.secret] {
            assert!(!said.contains(key), "{key}: {said}");
        }
    }
    moto.tell("careless");
    let said = refused(data, &place, &right);
    assert!(said.contains("If-None-Match"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_kept_photos_in_the_folder_moves_them_and_every_command_finds_them() {
    let moto = Moto::start();
    let centre = Centre::open().await;
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let alice = centre.enrol(&wei).await;
    let photo = large(40_000, "井盖");
    assert_eq!(alice.deliver(&photo).await.status(), 204);
    let (data, keys) = (centre.folder.path(), moto.environment());
    let said = refused(data, &moto.place(), &keys);
    assert!(said.contains("请先把照片复制过去") && said.contains("--blobs-moved"), "{said}");
    // As `aws s3 sync` copies the folder.
    moto.bucket().put(centre.app.outside.uuid(), &hash(&photo), &photo).unwrap();
    std::fs::remove_dir_all(data.join("blobs")).unwrap();
    let server = Server::start(data, &moto, &["--blobs", &moto.place(), "--blobs-moved"]);
    let fetched = alice.asking(&centre.reached_by(&server.url)).fetch(&hash(&photo)).await;
    assert_eq!(fetched.bytes().await.unwrap().as_ref(), photo);
    drop(server);
    // From now on nobody needs to say it, and nobody forgets it.
    let at = data.to_str().unwrap();
    let verify = |keys| {
        let done = program(&["blobs", "verify", "--data", at], keys).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    };
    let said = verify(&keys);
    assert!(said.contains("1 张照片完好"), "{said}");
    let said = verify(&[]);
    assert!(said.contains("credentials"), "{said}");
    let server = Server::start(data, &moto, &[]);
    let other = large(40_000, "路灯");
    assert_eq!(alice.asking(&centre.reached_by(&server.url)).deliver(&other).await.status(), 204);
    assert!(moto.bucket().has(&hash(&other)).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_arrives_though_each_of_two_servers_is_killed_while_it_takes_it_in() {
    let moto = Moto::start();
    let centre = Centre::open().await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let start = |more: &[&str]| Server::start(centre.folder.path(), &moto, more);
    let mut servers = [start(&["--blobs", &moto.place()]), start(&[])];
    let photo = large(300_000, "井盖");
    let first = centre.reached_by(&servers[0].url);
    let upload = alice.asking(&first).begun(&photo).await;
    let mut stands = 0;
    for round in 0..4 {
        let taking = centre.reached_by(&servers[round % 2].url);
        let mut line = Line::patch(&alice.asking(&taking), &upload, stands, photo.len() - stands, "").await;
        line.send(&photo[stands..stands + 60_000]).await;
        // Some of what came is kept, and then the server is gone. The other one knows of all that this one said it had.
        alice.asking(&taking).until_stands_at(&upload, stands + 3 * STEP).await;
        servers[round % 2] = start(&[]);
        let other = centre.reached_by(&servers[(round + 1) % 2].url);
        let now: usize = named(&alice.asking(&other).stands_at(&upload).await, "upload-offset").parse().unwrap();
        assert!(now >= stands + 3 * STEP && now <= stands + 60_000, "{now} after {stands}");
        stands = now;
    }
    let [one, two] = servers.each_ref().map(|server| centre.reached_by(&server.url));
    let last = alice.asking(&one).plain(&upload, stands, &photo[stands..]).await;
    assert_eq!(named(&last, "photo-hash"), hash(&photo).as_str());
    assert_eq!(alice.asking(&two).fetch(&hash(&photo)).await.bytes().await.unwrap().as_ref(), photo);
    let bucket = moto.bucket();
    assert_eq!((bucket.list().unwrap().len(), bucket.uploads().unwrap().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_says_so_first_and_answers_meanwhile() {
    let moto = Moto::start();
    let centre = Centre::open().await;
    let alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let mut server = Server::start(centre.folder.path(), &moto, &["--blobs", &moto.place(), "--drain", "600"]);
    let there = centre.reached_by(&server.url);
    let ready = async || {
        let answer = there.send(reqwest::Method::GET, "/ready", None, vec![], &[]).await;
        let status = answer.status().as_u16();
        let told: serde_json::Value = answer.json().await.unwrap();
        (status, told["status"].as_str().unwrap().to_owned(), told["photos"].as_str().map(str::to_owned))
    };
    assert_eq!(ready().await, (200, "ready".to_owned(), Some("here".to_owned())));
    moto.tell("away");
    assert_eq!(ready().await, (200, "ready".to_owned(), Some("away".to_owned())), "text goes on");
    moto.tell("back");
    end(&server.child);
    while ready().await.0 == 200 {}
    assert_eq!(ready().await.1, "leaving");
    // Who has not heard of it yet is answered.
    let photo = large(40_000, "井盖");
    assert_eq!(alice.asking(&there).deliver(&photo).await.status(), 204);
    drop(std::mem::replace(&mut server, Server::start(centre.folder.path(), &moto, &["--drain", "1"])));
    end(&server.child);
    assert!(server.child.wait().unwrap().success(), "after that it ends by itself");
}

fn end(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}
