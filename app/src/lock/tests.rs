use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use shared::ids::UserId;
use shared::outside::Outside;

use super::{Cost, Lock, LockError, Pin, PinProblem, TRIES};
use crate::platform::{FileKeyStore, KeyStore};
use crate::store::RawKey;
use crate::testing::Replay;

const KEY: RawKey = *b"thirty-two bytes of a random key";

struct Device {
    folder: tempfile::TempDir,
    keys: FileKeyStore,
    user: UserId,
    outside: std::sync::Arc<Replay>,
}

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outside = Replay::new(1);
        let keys = FileKeyStore::new(&folder.path().join("keys"));
        Self { user: UserId::fresh(&*outside), folder, keys, outside }
    }

    fn lock(&self) -> Lock<'_> {
        Lock::of(&self.folder.path().join("user"), self.user, &self.keys)
    }

    fn locked(self) -> Self {
        self.lock().set(&KEY, &chosen("402713"), "张伟", Cost::LEAST, &*self.outside).unwrap();
        self
    }

    fn now(&self) -> DateTime<Utc> {
        self.outside.now()
    }
}

fn chosen(text: &str) -> Pin {
    Pin::chosen(text).unwrap()
}

fn typed(text: &str) -> Pin {
    Pin::typed(text).unwrap()
}

/// Every byte that lies below a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.extend(if path.is_dir() { bytes_below(&path) } else { std::fs::read(&path).unwrap() });
    }
    all
}

#[test]
fn the_right_pin_opens_and_no_other() {
    let device = Device::new().locked();
    assert_eq!(device.lock().whose().unwrap().as_deref(), Some("张伟"));
    assert_eq!(device.lock().open(&typed("402713"), device.now()).unwrap(), KEY);
    let wrong = device.lock().open(&typed("402714"), device.now());
    assert!(matches!(wrong, Err(LockError::Wrong { left: 9, until: None })), "{wrong:?}");
    assert_eq!(device.lock().open(&typed("402713"), device.now()).unwrap(), KEY);
    assert_eq!(device.lock().tries().unwrap().wrong, 0, "the right one clears the slips");

    // Neither the key nor the PIN lies there.
    let below = bytes_below(device.folder.path());
    for secret in [KEY.as_slice(), b"402713"] {
        assert!(!below.windows(secret.len()).any(|bytes| bytes == secret));
    }
}

#[test]
fn wrong_pins_make_wait_longer_and_longer_and_after_ten_only_the_centre_opens() {
    let device = Device::new().locked();
    let (mut now, mut waited) = (device.now(), Vec::new());
    for n in 1..TRIES {
        let Err(LockError::Wrong { left, until }) = device.lock().open(&typed("111222"), now) else { panic!("{n}") };
        assert_eq!(left, TRIES - n);
        if let Some(until) = until {
            // Not the right one either, until then.
            let early = device.lock().open(&typed("402713"), until - TimeDelta::seconds(1));
            assert!(matches!(early, Err(LockError::Wait(then)) if then == until), "{early:?}");
        }
        waited.push(until.map_or(0, |until| (until - now).num_seconds()));
        now = until.unwrap_or(now);
    }
    assert!(waited.is_sorted() && waited.last() == Some(&3_600), "{waited:?}");
    assert!(matches!(device.lock().open(&typed("111222"), now), Err(LockError::Locked)));
    for pin in ["402713", "111222"] {
        let later = device.lock().open(&typed(pin), now + TimeDelta::days(400));
        assert!(matches!(later, Err(LockError::Locked)), "{later:?}");
    }
    // A new enrolment sets another one.
    device.lock().set(&KEY, &chosen("918273"), "张伟", Cost::LEAST, &*device.outside).unwrap();
    assert_eq!(device.lock().open(&typed("918273"), now).unwrap(), KEY);
}

#[test]
fn a_clock_set_back_makes_nobody_wait_longer_than_the_wait() {
    let device = Device::new().locked();
    let now = device.now();
    for _ in 0..3 {
        device.lock().open(&typed("111222"), now).unwrap_err();
    }
    let year_ago = now - TimeDelta::days(365);
    let Err(LockError::Wait(until)) = device.lock().open(&typed("402713"), year_ago) else { panic!() };
    assert_eq!((until - year_ago).num_seconds(), 30);
    assert_eq!(device.lock().open(&typed("402713"), until).unwrap(), KEY);
}

#[test]
fn a_try_counts_before_it_is_known_whether_it_is_right() {
    let device = Device::new().locked();
    // The file says what a process that ended in the middle of a try leaves.
    device.lock().open(&typed("111222"), device.now()).unwrap_err();
    std::fs::write(device.folder.path().join("user/tries.json"), r#"{"wrong":10,"next":0}"#).unwrap();
    assert!(matches!(device.lock().open(&typed("402713"), device.now()), Err(LockError::Locked)));
    // Meddled with it opens nothing.
    std::fs::write(device.folder.path().join("user/tries.json"), "{}x").unwrap();
    assert!(matches!(device.lock().open(&typed("402713"), device.now()), Err(LockError::Locked)));
}

#[test]
fn files_without_their_key_store_open_with_no_pin() {
    let device = Device::new().locked();
    let elsewhere = FileKeyStore::new(&device.folder.path().join("other-keys"));
    let stolen = Lock::of(&device.folder.path().join("user"), device.user, &elsewhere);
    assert!(matches!(stolen.open(&typed("402713"), device.now()), Err(LockError::Keys(_))));
    // Not with a key of the same name that another device made either.
    elsewhere.seal(&format!("lock-{}", device.user), b"else", &*device.outside).unwrap();
    assert!(matches!(stolen.open(&typed("402713"), device.now()), Err(LockError::Keys(_))));
    // Nor under the name of somebody else.
    let other = UserId::fresh(&*device.outside);
    let lock = Lock::of(&device.folder.path().join("user"), other, &device.keys);
    assert!(lock.open(&typed("402713"), device.now()).is_err());
}

#[test]
fn the_centre_opens_what_was_sealed_for_it_and_nobody_else() {
    let device = Device::new().locked();
    let centre = age::x25519::Identity::generate();
    device.lock().seal_for_centre(&KEY, &centre.to_public().to_string()).unwrap();
    let sealed = device.lock().sealed_for_centre().unwrap().unwrap();
    use base64::Engine;
    let bytes = super::STANDARD.decode(&sealed).unwrap();
    assert!(age::decrypt(&age::x25519::Identity::generate(), &bytes).is_err());
    let opened: shared::wire::SealedKey = serde_json::from_slice(&age::decrypt(&centre, &bytes).unwrap()).unwrap();
    assert_eq!(opened.user, device.user);
    assert_eq!(Lock::opened_by_centre(&opened.key).unwrap(), KEY);
    assert!(device.lock().seal_for_centre(&KEY, "age1nobody").is_err());
}

#[test]
fn a_destroyed_lock_leaves_nothing_that_opens() {
    let device = Device::new().locked();
    let kept = std::fs::read(device.folder.path().join("user/lock.json")).unwrap();
    device.lock().destroy().unwrap();
    assert!(!device.lock().is_set().unwrap());
    device.lock().destroy().unwrap();
    // A copy of the file does not bring it back.
    std::fs::write(device.folder.path().join("user/lock.json"), kept).unwrap();
    assert!(matches!(device.lock().open(&typed("402713"), device.now()), Err(LockError::Keys(_))));
}

#[test]
fn pins_that_are_guessed_at_once_are_not_taken() {
    for bad in ["123456", "654321", "000000", "121212", "123123", "890123", "109876", "111111111111"] {
        assert_eq!(Pin::chosen(bad), Err(PinProblem::Guessed), "{bad}");
        // One that was set before this was asked for still opens.
        Pin::typed(bad).unwrap();
    }
    for bad in ["", "12345", "1234567890123", "12345a", "１２３４５６"] {
        assert_eq!(Pin::typed(bad), Err(PinProblem::Digits), "{bad}");
    }
    assert!(Pin::chosen("402713").is_ok() && Pin::chosen("40 27 13").is_ok());
    assert_eq!(format!("{:?}", chosen("402713")), "Pin(…)");
}
