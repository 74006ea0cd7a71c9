//! The walk of one sync: read the pending, close the transaction, one request, take the answer in; again until the
//! feed has no more and the outbox is empty.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::ids::{EditId, RecordId};
use shared::limits::PROTOCOL;
use shared::mutants::Mutant;
use shared::outside::Outside;
use shared::record::Part;
use shared::wire::{DeviceState, DigestAsk, SyncRequestOf};

use super::care::Care;
use super::client::Answered;
use super::{Client, Phase, Refused, SyncProgress, compare, question};
use crate::store::{Page, PageApplied, Store, StoreError};

/// Where the sync goes.
const PATH: &str = "/api/v1/sync";
/// A page on a bad line takes its time.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often in one exchange it may come into doubt who this handheld is. Each time is settled by one question.
const DOUBTS: u32 = 3;

/// What an exchange did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoundDone {
    /// Requests made.
    pub requests: u32,
    /// Items of the feed taken in.
    pub items: u64,
    /// Edits applied.
    pub applied: u64,
    /// Edits that went to the tray.
    pub rejected: u64,
    /// Bytes of bodies sent.
    pub sent: u64,
    /// Bytes of bodies received.
    pub received: u64,
    /// Whether records may have changed.
    pub changed: bool,
    /// How much the server was told to be undelivered, if it was told.
    pub told: Option<u32>,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self { message: error.message(), ..Self::of("store-other", error, true) }
    }
}

/// Moves work that blocks off the threads that serve the network.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Refused::of("store-other", error, true))
}

/// Exchanges edits and feed until neither side has more. Photos are not part of it.
///
/// Resumable at any point: each page is durable together with the cursor behind it. `device` goes with the first
/// request. `tell` hears of every page. Where there is doubt about who this handheld is, that is settled first, and the
/// credential may be another one afterwards.
pub async fn exchange(
    store: &Arc<Store>,
    client: &Client,
    outside: &Arc<dyn Outside>,
    mut device: Option<DeviceState>,
    care: &mut Care,
    mut tell: impl FnMut(&dyn Fn(&mut SyncProgress)) + Send,
) -> Result<RoundDone, Refused> {
    let mut done = RoundDone::default();
    let mut client = client.clone();
    let mut fetched: Option<(Page, usize)> = None;
    let mut total = 0;
    let mut anew = false;
    let mut doubts = 0;
    loop {
        let (page, offered) = match fetched.take() {
            Some(fetched) => fetched,
            None => {
                if let Err(refused) = question::settle(store, &mut client, outside, &mut done).await {
                    if question::fall_back(store, &mut client, outside, &refused).await? {
                        continue;
                    }
                    return Err(refused);
                }
                let request = next_request(store, outside, device.take(), Sending::Edits(*care)).await?;
                let offered = request.edits.len();
                done.told = request.device.as_ref().map(|device| device.undelivered).or(done.told);
                let fetched = fetch(store, &client, outside, request, &mut done).await;
                // Planted mistake, see shared::mutants.
                if Mutant::RetryNewId.on() && fetched.is_err() && offered > 0 {
                    let (store, outside) = (Arc::clone(store), Arc::clone(outside));
                    blocking(move || store.rename_waiting(&*outside)).await??;
                }
                if let Err(refused) = &fetched
                    && care.refused(refused, offered)
                {
                    continue;
                }
                match fetched {
                    Err(refused) if question::fall_back(store, &mut client, outside, &refused).await? => continue,
                    // The server knows dots of this slot otherwise than this handheld.
                    Err(refused) if refused.code == "out_of_step" && doubts < DOUBTS => {
                        doubts += 1;
                        question::raise(store, outside).await?;
                        continue;
                    }
                    // A cursor the server does not take: begin the feed anew, once.
                    Err(refused) if refused.code == "cursor_invalid" && !anew => {
                        anew = true;
                        let store = Arc::clone(store);
                        blocking(move || store.forget_cursor()).await??;
                        continue;
                    }
                    other => (other?, offered),
                }
            }
        };
        care.came_through(offered);
        if page.answer().locked {
            let taken = page.answer().receipts.len();
            let keeper = Arc::clone(store);
            let waiting = blocking(move || {
                keeper.apply(page)?;
                Ok::<_, StoreError>(keeper.counts()?.edits)
            });
            if waiting.await?? == 0 || taken == 0 {
                return Err(Refused::doubled());
            }
            continue;
        }
        let reader = Arc::clone(store);
        let (page, parted) = blocking(move || {
            let parted = reader.parted(page.answer())?;
            Ok::<_, StoreError>((page, parted))
        })
        .await??;
        if parted {
            doubts += 1;
            if doubts > DOUBTS {
                return Err(Refused::of(
                    "sync-out-of-step",
                    "the server's high-water n and the dots here disagree",
                    true,
                ));
            }
            question::raise(store, outside).await?;
            continue;
        }
        let digest = page.answer().digest.clone();
        let (more, cursor) = (page.answer().more, page.answer().cursor.clone());
        let (receipts, released) = (page.answer().receipts.len(), page.answer().released.len());
        if let Some(all) = page.answer().total {
            total = all + done.items;
        }
        let keeper = Arc::clone(store);
        let apply = blocking(move || {
            let applied = keeper.apply(page)?;
            let waiting = keeper.counts()?.edits;
            Ok::<_, StoreError>((applied, waiting))
        });
        let (applied, waiting): (PageApplied, u64) = if more && offered == 0 {
            // While this page is written the next one travels. Its cursor is not durable yet; should this page fail,
            // the next sync simply asks from the last durable one.
            let request = next_request(store, outside, None, Sending::After(cursor)).await?;
            let next_offered = request.edits.len();
            let (applied, next) = tokio::join!(apply, fetch(store, &client, outside, request, &mut done));
            let applied = applied??;
            fetched = Some((next?, next_offered));
            applied
        } else {
            apply.await??
        };
        done.items += applied.items as u64;
        done.applied += applied.applied as u64;
        done.rejected += applied.rejected as u64;
        let changed = applied.items + receipts + released > 0;
        done.changed |= changed;
        let items = done.items;
        let (sent, received) = (done.sent, done.received);
        tell(&|progress| {
            progress.phase = Phase::Records;
            progress.done = items;
            progress.total = total.max(items);
            progress.sent = sent;
            progress.received = received;
            progress.changed += u64::from(changed);
        });
        if fetched.is_some() {
            continue;
        }
        if offered > 0 && receipts == 0 {
            return Err(Refused::of("sync-bad-answer", "edits were sent and no receipt came", true));
        }
        if waiting == 0 {
            care.over();
        }
        if !more && waiting == 0 {
            compare::go_into(store, &client, outside, &mut done, digest, &mut tell).await?;
            return Ok(done);
        }
    }
}

/// What a request carries.
pub(super) enum Sending {
    /// The outbox.
    Edits(Care),
    /// No edits, and this cursor instead of the durable one: a page is still being written.
    After(String),
    /// No edits: what is compared, and what is asked for again because it differs.
    Compare(Option<DigestAsk>, Vec<(RecordId, Part)>),
}

/// What to ask next.
pub(super) async fn next_request(
    store: &Arc<Store>,
    outside: &Arc<dyn Outside>,
    device: Option<DeviceState>,
    sending: Sending,
) -> Result<SyncRequestOf<Box<RawValue>>, Refused> {
    let (store, now, outside) = (Arc::clone(store), outside.now(), Arc::clone(outside));
    blocking(move || {
        store.look_at_lease(&*outside)?;
        let meta = store.meta()?;
        // With a page in flight the outbox waits for its turn: receipts belong to a durable cursor. So it does while a
        // fill goes on: a record touched in the middle of it might not be named again and be taken for one that left.
        let filling = meta.filling && meta.cursor.is_some();
        let (mut digest, mut again) = (None, Vec::new());
        let may_compare = !filling && meta.cursor.is_some();
        let (cursor, edits) = match sending {
            Sending::Edits(care) if !filling => {
                let out = store.outgoing_at_most(care.most())?;
                if out.edits.is_empty() && may_compare {
                    // It rides on an idle round.
                    digest = store.digest_due(now)?;
                }
                (None, care.written(&out).map_err(|error| Refused::of("sync-bad-request", error, false))?)
            }
            Sending::Compare(ask, parts) => {
                (digest, again) = (ask, parts);
                (None, Vec::new())
            }
            Sending::Edits(_) => (None, Vec::new()),
            Sending::After(cursor) => (Some(cursor), Vec::new()),
        };
        let waits = cursor.is_some() || filling;
        let device = match device {
            Some(mut device) => {
                // What is left when these have gone.
                let (counts, going) = (store.counts()?, edits.len() as u64);
                let left = counts.edits.saturating_sub(going) + counts.photos;
                device.undelivered = u32::try_from(left).unwrap_or(u32::MAX);
                Some(device)
            }
            None => None,
        };
        // With a page in flight they wait too: it may be the very request that carries them.
        let (looks, withdrawn, held, remains, elsewhere) = if waits {
            Default::default()
        } else {
            (store.looks()?, store.withdrawn()?, store.held()?, store.remains()?, store.elsewhere()?)
        };
        Ok(SyncRequestOf {
            protocol: PROTOCOL,
            cursor: cursor.or(meta.cursor),
            setup: meta.setup.map(|setup| setup.version.clone()),
            epoch: store.slot_epoch()?,
            edits,
            device,
            looks,
            withdrawn,
            held,
            remains,
            elsewhere,
            digest,
            again,
            lease: store.wants_lease()?,
        })
    })
    .await?
}

/// An edit of which no more than its name is wanted.
#[derive(Deserialize)]
struct Named {
    id: EditId,
}

pub(super) async fn fetch(
    store: &Arc<Store>,
    client: &Client,
    outside: &Arc<dyn Outside>,
    request: SyncRequestOf<Box<RawValue>>,
    done: &mut RoundDone,
) -> Result<Page, Refused> {
    let looks: Vec<uuid::Uuid> = request.looks.iter().map(|look| look.id).collect();
    let withdrawn = request.withdrawn.clone();
    let remains: Vec<_> = request.remains.iter().map(|remain| (remain.edit, remain.path.clone())).collect();
    let held: Vec<EditId> = request
        .held
        .iter()
        .filter_map(|held| serde_json::from_str::<Named>(held.edit.get()).ok().map(|Named { id }| id))
        .collect();
    let answered: Answered = client.post(PATH, &request, TIMEOUT).await?;
    done.requests += 1;
    done.sent += answered.sent;
    done.received += answered.received;
    let (store, outside) = (Arc::clone(store), Arc::clone(outside));
    blocking(move || {
        let bad = |why: String| Refused::of("sync-bad-answer", why, true);
        let answer = answered.sync()?;
        store.forget_looks(&looks)?;
        store.told(&withdrawn)?;
        store.held_again(&held)?;
        store.forget_remains(&remains)?;
        Page::read(answer, &*outside, &store.rules()).map_err(|error| bad(error.to_string()))
    })
    .await?
}
