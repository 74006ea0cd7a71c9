//! Saying what becomes of a terminal, for good: on the list too, so that a restored database does not forget it.

use chrono::{DateTime, Utc};
use shared::area::AreaId;
use shared::ids::DeviceId;

use super::{io, list};
use crate::AppState;
use crate::store::{self, Audit, Fate, Read, StoreError, Tx};

/// What was said of a terminal before, where it stands against `fate`.
pub fn standing(read: &dyn Read, device: DeviceId, fate: Fate) -> Result<Option<Fate>, StoreError> {
    let said = read.devices()?.into_iter().find(|it| it.id == device).and_then(|it| it.fate);
    Ok(said.map(|(said, _)| said).filter(|said| said.stands_against(fate)))
}

/// Says what becomes of a terminal, and of those that went on from it; what was said before and stands against it stays, and is
/// given back. On the list first: a database that is restored must not let a stolen one in again.
pub fn doom(
    app: &AppState,
    tx: &mut dyn Tx,
    device: DeviceId,
    fate: Fate,
    at: DateTime<Utc>,
) -> Result<Option<Fate>, StoreError> {
    if let Some(stands) = standing(&*tx, device, fate)? {
        return Ok(Some(stands));
    }
    list::append_doomed(&app.data, tx.town(), &list::Doomed { device, fate, at }).map_err(io)?;
    tx.doom_device(device, fate, at)?;
    Ok(None)
}

/// Says it again to a restored database. Those it does not know have no credential there.
pub(super) fn again(app: &AppState, town: AreaId, listed: &[list::Doomed]) -> Result<(), StoreError> {
    if listed.is_empty() {
        return Ok(());
    }
    let devices = store::read::<_, StoreError>(&*app.store, town, |read| read.devices())?;
    let softer = |said: Fate, at, doomed: &list::Doomed| {
        doomed.fate.stands_against(said) || (at < doomed.at && !said.stands_against(doomed.fate))
    };
    let forgot = |doomed: &&list::Doomed| {
        devices.iter().any(|it| it.id == doomed.device && it.fate.is_none_or(|(said, at)| softer(said, at, doomed)))
    };
    let again: Vec<_> = listed.iter().filter(forgot).collect();
    if again.is_empty() {
        return Ok(());
    }
    tracing::warn!(town = town.0, terminals = again.len(), "ending again the terminals that the list names");
    store::write(&*app.store, town, |tx| {
        for doomed in &again {
            tx.doom_device(doomed.device, doomed.fate, doomed.at)?;
            tx.put_audit(&Audit {
                at: app.outside.now(),
                user: None,
                action: doomed.fate.action().to_owned(),
                subject: doomed.device.to_string(),
                detail: "again".to_owned(),
            })?;
        }
        Ok(())
    })
}
