//! Batches as staff take them out.

use std::collections::BTreeMap;

use assets::messages::Lang;
use shared::author::Role;
use shared::ids::RecordId;
use shared::value::Value;
use sync_server::batch::approval;
use sync_server::batch::{self, BatchError, Format, Pull, Pulled, Sealed, Since};
use sync_server::store::{self, User};

use super::*;

pub fn staff(centre: &Centre, login: &str, may_unmask: bool, cleared: bool) -> User {
    let mut user = centre.person(login, Role::CenterStaff, TOWN, cleared);
    user.may_unmask = may_unmask;
    store::write(&*centre.app.store, TOWN, |tx| tx.put_user(&user)).unwrap();
    user
}

pub fn pull_of(user: &User, unmasked: bool) -> Pull<'_> {
    Pull {
        user,
        areas: vec![TOWN],
        since: Since::Last,
        formats: vec![Format::Csv, Format::Ndjson],
        unmasked,
        restricted: false,
        profile: None,
        photos: false,
        released: None,
        lang: Lang::Zh,
    }
}

/// Seals; what takes two people, somebody else has released before.
pub fn take(centre: &Centre, pull: &Pull<'_>) -> Result<Pulled, BatchError> {
    let app = &centre.app;
    let mut pull = pull.clone();
    if approval::is_needed(&pull) {
        let second = app.store.user_by_login("second").unwrap().unwrap_or_else(|| staff(centre, "second", true, true));
        let id = approval::ask(app, &pull)?;
        approval::release(app, &second, id)?;
        pull.released = Some(id);
    }
    batch::pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &app.forms, &pull)
}

pub fn sealed(pulled: Pulled) -> Sealed {
    match pulled {
        Pulled::Sealed(sealed) => *sealed,
        Pulled::NothingNew => panic!("nothing new"),
    }
}

pub fn text(sealed: &Sealed, name: &str) -> String {
    std::fs::read_to_string(sealed.folder.join(name)).unwrap()
}

/// The rows of a CSV file, each by its header.
pub fn rows(sealed: &Sealed, name: &str) -> Vec<BTreeMap<String, String>> {
    let text = text(sealed, name);
    let mut reader = csv::Reader::from_reader(text.strip_prefix('\u{FEFF}').expect("a byte order mark").as_bytes());
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

pub async fn born(hand: &mut Handheld<'_>, name: &str, more: &[(&str, Value)]) -> RecordId {
    let mut edit = hand.resident(name, GRID);
    edit.writes.extend(more.iter().map(|(path, value)| (path.parse().unwrap(), value.clone())));
    let record = edit.record;
    let answer = hand.sync(vec![edit]).await;
    applied(&answer, 0);
    record
}
