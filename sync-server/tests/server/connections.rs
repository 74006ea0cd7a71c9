//! Who holds a connection and says nothing, or a byte now and then, or never reads what is answered, is cut off; whoever
//! else is there is answered. A server that is to stop stops.

use std::sync::Arc;
use std::time::Duration;

use crate::common::desk::*;
use crate::common::outbox::{ACTION, BOUNDARY, csrf};
use crate::common::*;
use reqwest::StatusCode;
use shared::author::Role;
use sync_server::AppState;
use sync_server::auth::people::import_areas;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Much longer than the server waits: a story that gets here has failed.
const HUNG: Duration = Duration::from_secs(60);
/// How long an impatient server waits.
const SHORT: Duration = Duration::from_secs(1);
/// A request with a long answer.
const ASK: &[u8] = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

async fn with(change: impl FnOnce(&mut AppState)) -> Centre {
    let centre = Centre::over(tempfile::tempdir().unwrap(), Arc::new(Clock::default()), change).await;
    import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    centre
}

async fn impatient() -> Centre {
    with(|state| state.head_time = SHORT).await
}

/// Opens a connection for each request.
fn others() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap()
}

async fn connected(centre: &Centre) -> TcpStream {
    TcpStream::connect(centre.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the server closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A connection that is cut while something is on its way ends with an error; that is an end too.
    tokio::time::timeout(HUNG, stream.read_to_end(&mut all)).await.expect("the server goes on waiting").ok();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_a_byte_at_a_time_is_cut_off_and_others_are_answered_meanwhile() {
    let centre = impatient().await;
    let mut slow = connected(&centre).await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: ").await.unwrap();
    // A connection for each, so that the limit has nothing to do with them.
    let others = others();
    let mut answered = 0;
    let dripping = async {
        // Each byte waits for an answer to somebody else, so that none comes without the server going on. Never the end of a
        // line: the request is never whole.
        loop {
            let sent = slow.write_all(b"a").await;
            let mut rest = [0; 64];
            let closed = matches!(slow.try_read(&mut rest), Ok(0)) || sent.is_err();
            if closed {
                return;
            }
            let healthy = others.get(format!("{}/healthz", centre.url)).send().await.unwrap();
            assert_eq!(healthy.status(), 200);
            answered += 1;
        }
    };
    tokio::time::timeout(HUNG, dripping).await.expect("a byte now and then holds the connection for ever");
    assert!(answered > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed_before_its_first_request_and_after_it() {
    let centre = impatient().await;
    let mut silent = connected(&centre).await;
    assert_eq!(until_closed(&mut silent).await, "");
    let mut kept = connected(&centre).await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let told = until_closed(&mut kept).await;
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("\"status\":\"ok\""), "{told}");
}

/// What comes until these words stand in it.
async fn until_said(stream: &mut TcpStream, words: &str) -> String {
    let mut all = Vec::new();
    let said = async {
        while !String::from_utf8_lossy(&all).contains(words) {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0, "closed after {}", String::from_utf8_lossy(&all));
        }
    };
    tokio::time::timeout(HUNG, said).await.expect("the server waits for more");
    String::from_utf8(all).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_what_a_stranger_sends_and_who_is_shut_out_hears_why() {
    const LENGTH: usize = 4_000_000;
    let centre = with(|_| {}).await;
    let upload = format!("/api/v1/photos/uploads/{}", shared::outside::Outside::uuid(&*centre.clock));
    for (method, path) in [("POST", "/api/v1/sync"), ("POST", "/api/v1/slot"), ("PATCH", upload.as_str())] {
        let mut stranger = connected(&centre).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer x\r\ncontent-length: {LENGTH}\r\n\r\n"
        );
        stranger.write_all(head.as_bytes()).await.unwrap();
        let told = until_said(&mut stranger, "token_invalid").await;
        assert!(told.starts_with("HTTP/1.1 401"), "{path}: {told}");
        // The rest may come, and the connection goes on.
        stranger.write_all(&vec![b' '; LENGTH]).await.unwrap();
        stranger.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.unwrap();
        until_said(&mut stranger, "\"status\":\"ok\"").await;
    }
    // A stolen one that has much to send is told to erase itself, not cut off.
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let stolen = centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    let desk = Desk::logged_in(&centre, "staff").await;
    let end = format!("/console/terminals/{}/end", stolen.enrolled.device);
    let said = desk.send(&end, &[("csrf", &csrf(&desk).await), ("fate", "stolen")]).await;
    assert_eq!(said.status(), StatusCode::SEE_OTHER);
    assert_eq!(refusal(stolen.raw(vec![b' '; LENGTH], &[]).await, 401).await.code, "token_wipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_never_reads_the_answers_is_cut_off() {
    let centre = with(|state| state.write_time = SHORT).await;
    let mut greedy = connected(&centre).await;
    let asking = async { while greedy.write_all(ASK).await.is_ok() {} };
    tokio::time::timeout(HUNG, asking).await.expect("answers that nobody reads are held for ever");
    let healthy = others().get(format!("{}/healthz", centre.url)).send().await.unwrap();
    assert_eq!(healthy.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_to_stop_stops_although_somebody_never_reads_the_answers() {
    let patient = |state: &mut AppState| (state.request_time, state.write_time) = (SHORT, Duration::from_secs(86_400));
    let centre = with(patient).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (say, told) = tokio::sync::oneshot::channel::<()>();
    let stop = async { drop(told.await) };
    let server = tokio::spawn(sync_server::http::serve(centre.app.clone(), listener, stop));
    // Until the server takes no more requests, as often as others are answered meanwhile.
    let mut greedy = TcpStream::connect(address).await.unwrap();
    let (others, mut rest, mut refused) = (others(), ASK, 0);
    while refused < 50 {
        match greedy.try_write(rest) {
            Ok(sent) => (rest, refused) = (if sent < rest.len() { &rest[sent..] } else { ASK }, 0),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                refused += 1;
                others.get(format!("http://{address}/healthz")).send().await.unwrap();
            }
        }
    }
    say.send(()).unwrap();
    tokio::time::timeout(HUNG, server).await.expect("the server goes on waiting").unwrap().unwrap();
    until_closed(&mut greedy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_comes_to_its_end_is_cut_off_in_words_and_leaves_nothing() {
    let centre = with(|state| state.upload_time = SHORT).await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let desk = Desk::logged_in(&centre, "staff").await;
    let token = csrf(&desk).await;
    let mut slow = connected(&centre).await;
    let head = format!(
        "POST {ACTION} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {}\r\ncontent-type: multipart/form-data; boundary={BOUNDARY}\r\n\
         content-length: 1000000\r\n\r\n",
        desk.cookie
    );
    let begun = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"outbox.age\"\r\n\r\noutbox"
    );
    slow.write_all(format!("{head}{begun}").as_bytes()).await.unwrap();
    let told = until_closed(&mut slow).await;
    assert!(told.starts_with("HTTP/1.1 422") && told.contains("文件传得太久"), "{told}");
    let left = std::fs::read_dir(centre.app.data.join("outbox")).unwrap().count();
    assert_eq!(left, 0, "what had come is gone from the disk");
}
