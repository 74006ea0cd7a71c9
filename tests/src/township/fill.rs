//! Puts the township into a server's data folder by the server's own doors: every edit is accepted as if a handheld had
//! sent it, so what the rules refuse does not get in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use shared::edit::Edit;
use shared::ids::{Slot, UserId};
use shared::outside::Outside;
use shared::wire::Outcome;
use sync_server::auth::{Who, second};
use sync_server::store::{self, Origin, SlotRow, StoreError, Tx, User};
use sync_server::sync::accept::{self, Rules, Writer};
use sync_server::{App, AppState};

use super::Township;

/// What was put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Edits applied.
    pub edits: usize,
    /// Records there are.
    pub records: usize,
}

/// Fills the data folder `data`, which must be new.
pub fn fill(township: &Township, data: &Path, outside: Arc<dyn Outside>) -> Result<(App, Filled)> {
    let app = AppState::open(data, outside).context("opening the server's data folder")?;
    app.store.put_areas(&township.areas).context("adding the areas")?;
    let users = people(township, &app)?;
    photos(township, &app)?;
    let filled = edits(township, &app, &users)?;
    Ok((app, filled))
}

fn people(township: &Township, app: &App) -> Result<BTreeMap<UserId, User>> {
    // One hash serves all: they have the same password, and each hash costs tens of milliseconds.
    let hash = sync_server::auth::password::hash(&*app.outside, super::people::PASSWORD)?;
    let users: Vec<User> = township
        .accounts
        .iter()
        .map(|account| User {
            id: account.id,
            town: township.town,
            name: account.name.clone(),
            login: account.login.clone(),
            role: account.role,
            scope: account.scope.clone(),
            cleared: account.cleared,
            may_unmask: account.may_unmask,
            password: account.password.map(|_| hash.clone()),
            active: true,
        })
        .collect();
    store::write(&*app.store, township.town, |tx| {
        users.iter().try_for_each(|user| tx.put_user(user))?;
        tx.put_slot(&slot(township, township.census, Origin::Import, "入户登记"))?;
        township.accounts.iter().try_for_each(|account| {
            let label = match account.scope.first() {
                Some(area) => format!("{}，{}", township.area_name(*area), account.name),
                None => account.name.clone(),
            };
            tx.put_slot(&slot(township, account.slot, Origin::Device, &label))
        })
    })
    .context("adding the people")?;
    seconds(app, users.iter())?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// Gives those who log in with a second factor, and have none yet, the one that [`super::secret`] tells.
pub fn seconds<'a>(app: &App, users: impl Iterator<Item = &'a User>) -> Result<()> {
    for user in users.filter(|user| user.password.is_some() && second::is_needed(user)) {
        let has = store::read::<_, StoreError>(&*app.store, user.town, |read| read.second_factor(user.id))?;
        if has.is_none() {
            second::put_known(app, user, &super::secret(&user.login)).context("adding a second factor")?;
        }
    }
    Ok(())
}

fn slot(township: &Township, slot: Slot, origin: Origin, label: &str) -> SlotRow {
    SlotRow { slot, town: township.town, origin, label: label.to_owned(), high_water: 0 }
}

fn photos(township: &Township, app: &App) -> Result<()> {
    for photo in &township.photos {
        for (hash, bytes) in [(&photo.hash, &photo.bytes), (&photo.thumbnail_hash, &photo.thumbnail)] {
            app.blobs.put(app.outside.uuid(), hash, bytes).context("keeping a photo")?;
            let row = store::Photo { hash: hash.clone(), bytes: u64::try_from(bytes.len())?, received: township.today };
            // A few pictures serve every event, and a link opens a photo only if who made it delivered the photo.
            store::write(&*app.store, township.town, |tx| {
                township.accounts.iter().try_for_each(|account| tx.put_photo(&row, account.id))
            })
            .context("noting a photo")?;
        }
    }
    Ok(())
}

fn edits(township: &Township, app: &App, users: &BTreeMap<UserId, User>) -> Result<Filled> {
    let rules = app.rules()?;
    let mut filled = Filled::default();
    township.record(rules.epoch, |waves| {
        filled.edits += waves.iter().map(Vec::len).sum::<usize>();
        filled.records += waves.iter().flatten().filter(|edit| edit.context.is_empty() && is_new(edit)).count();
        let mut waves = Some(waves);
        // One transaction a grid: durable once for a thousand edits.
        store::write(&*app.store, township.town, |tx| {
            for wave in waves.take().unwrap_or_default() {
                accept(township, tx, &rules, users, wave)?;
            }
            Ok::<_, anyhow::Error>(())
        })
    })?;
    Ok(filled)
}

fn is_new(edit: &Edit) -> bool {
    edit.part == shared::record::Part::Open
}

fn accept(
    township: &Township,
    tx: &mut dyn Tx,
    rules: &Rules,
    users: &BTreeMap<UserId, User>,
    wave: Vec<Edit>,
) -> Result<()> {
    let mut by_slot: BTreeMap<Slot, Vec<Edit>> = BTreeMap::new();
    for edit in wave {
        by_slot.entry(edit.dot.slot).or_default().push(edit);
    }
    for (slot, edits) in by_slot {
        let census = slot == township.census;
        let author = if census {
            township.account("staff").map(|account| account.id)
        } else {
            edits.first().and_then(|edit| edit.author.user)
        };
        let user = author.and_then(|id| users.get(&id)).context("an edit of nobody")?;
        let origin = if census { Origin::Import } else { Origin::Device };
        let writer = Writer { who: Who::of(user.clone(), &rules.areas), slot, origin };
        let about: Vec<_> = edits.iter().map(|edit| (edit.id, format!("{edit:?}"))).collect();
        let receipts = accept::accept_in(tx, rules, &writer, edits)?;
        if receipts.len() != about.len() {
            bail!("{} edits got {} receipts", about.len(), receipts.len());
        }
        for (receipt, (id, edit)) in receipts.iter().zip(&about) {
            if let Outcome::Rejected(rejection) = &receipt.outcome {
                bail!("the township's edit {id} was rejected: {rejection:?}: {edit}");
            }
        }
    }
    Ok(())
}
