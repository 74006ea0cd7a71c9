//! Waiting and addresses.

use std::time::Duration;

use super::*;
use crate::testing::Replay;

#[test]
fn waits_grow_with_jitter_and_never_undercut_the_server() {
    let outside = Replay::new(5);
    let mut last = Duration::ZERO;
    for attempts in 1..40 {
        let wait = delay(attempts, None, outside.as_ref());
        assert!(wait >= Duration::from_millis(2500) && wait <= Duration::from_secs(900), "{wait:?}");
        assert!(attempts > 8 || wait > last / 2);
        last = wait;
        assert!(delay(attempts, Some(Duration::from_secs(3600)), outside.as_ref()) >= Duration::from_secs(3600));
    }
    assert_ne!(
        delay(5, None, outside.as_ref()),
        delay(5, None, outside.as_ref()),
        "two handhelds do not come together"
    );
    assert_eq!(delay(5, None, Replay::new(9).as_ref()), delay(5, None, Replay::new(9).as_ref()), "it replays");
}

#[test]
fn cleartext_goes_to_this_machine_only() {
    for good in ["https://zz.example.test", "http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:9"] {
        assert!(HttpConnect.connect(good, &Trust::System).is_ok(), "{good}");
    }
    for bad in ["http://192.168.1.5:8080", "http://zz.example.test", "http://127.0.0.1.example.test"] {
        let refused = HttpConnect.connect(bad, &Trust::System);
        assert!(matches!(refused, Err(TransportError::Cleartext(_))), "{bad}");
    }
    for bad in ["ftp://127.0.0.1", "zz", ""] {
        assert!(matches!(HttpConnect.connect(bad, &Trust::System), Err(TransportError::Address(_))), "{bad}");
    }
}
