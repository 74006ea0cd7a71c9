//! Who holds a connection and says nothing, or a byte now and then, is cut off; whoever else is there is answered.

use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Much longer than the server waits: a story that gets here has failed.
const HUNG: Duration = Duration::from_secs(60);

async fn impatient() -> Centre {
    let change = |state: &mut sync_server::AppState| state.head_time = Duration::from_secs(1);
    Centre::over(tempfile::tempdir().unwrap(), Arc::new(Clock::default()), change).await
}

async fn connected(centre: &Centre) -> TcpStream {
    TcpStream::connect(centre.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the server closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A connection that is cut while something is on its way ends with an error; that is an end too.
    tokio::time::timeout(HUNG, stream.read_to_end(&mut all)).await.expect("the server goes on waiting").ok();
    String::from_utf8(all).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_a_byte_at_a_time_is_cut_off_and_others_are_answered_meanwhile() {
    let centre = impatient().await;
    let mut slow = connected(&centre).await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: ").await.unwrap();
    // A connection for each, so that the limit has nothing to do with them.
    let others = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
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
