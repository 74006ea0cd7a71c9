//! The digest, from the root down to the records that differ (`docs/decisions/008`): sums that come with an answer are
//! compared after its page was taken in, branches that differ are asked about next, and what differs in the end is asked
//! for again and replaced.

use std::collections::VecDeque;
use std::sync::Arc;

use shared::digest::{BRANCHES, Prefix, VERSION};
use shared::ids::RecordId;
use shared::limits::AGAIN_A_ROUND;
use shared::outside::Outside;
use shared::record::Part;
use shared::wire::{DigestAnswer, DigestAsk};

use super::round::{RoundDone, Sending, blocking, fetch, next_request};
use super::{Client, Refused, SyncProgress, question};
use crate::store::{Store, StoreError};

/// The most exchanges of one comparison. Where that is not enough nearly all differs, and the feed begins anew.
const EXCHANGES: u32 = 20;

/// Goes into what `first` shows to differ. With nothing compared yet it begins, if somebody asked for it now.
pub(super) async fn go_into(
    store: &Arc<Store>,
    client: &Client,
    outside: &Arc<dyn Outside>,
    done: &mut RoundDone,
    first: Option<DigestAnswer>,
    tell: &mut (impl FnMut(&dyn Fn(&mut SyncProgress)) + Send),
) -> Result<(), Refused> {
    let reader = Arc::clone(store);
    if first.is_none() && !blocking(move || reader.is_check_asked()).await?? {
        return Ok(());
    }
    let mut branches: VecDeque<(Part, Prefix)> = VecDeque::new();
    let mut parts: VecDeque<(RecordId, Part)> = VecDeque::new();
    match first {
        None => branches.extend(Part::ALL.map(|part| (part, Prefix::default()))),
        Some(answer) => {
            if !look(store, answer, &mut branches, &mut parts).await? {
                return Ok(());
            }
        }
    }
    for _ in 0..EXCHANGES {
        if branches.is_empty() && parts.is_empty() {
            let (store, now) = (Arc::clone(store), outside.now());
            return Ok(blocking(move || store.note_checked(now)).await??);
        }
        let asked: Vec<_> = branches.iter().take(BRANCHES).cloned().collect();
        let again: Vec<_> = parts.drain(..parts.len().min(AGAIN_A_ROUND)).collect();
        let ask = (!asked.is_empty()).then(|| DigestAsk { version: VERSION, branches: asked.clone() });
        let request = next_request(store, outside, None, Sending::Compare(ask, again.clone())).await?;
        let page = fetch(store, client, outside, request, done).await?;
        let (digest, more) = (page.answer().digest.clone(), page.answer().more);
        let keeper = Arc::clone(store);
        let applied = blocking(move || {
            if keeper.parted(page.answer())? {
                return Ok(None);
            }
            keeper.apply_again(page, &again).map(Some)
        });
        let Some(applied) = applied.await?? else { return question::raise(store, outside).await };
        done.items += applied.items as u64;
        if applied.mended > 0 {
            tracing::warn!(parts = applied.mended, "what was held here was not what the server says; replaced");
        }
        done.changed |= applied.items > 0;
        tell(&|progress| progress.changed += u64::from(applied.items > 0));
        match digest {
            Some(answer) => {
                branches.drain(..asked.len());
                if !look(store, answer, &mut branches, &mut parts).await? {
                    return Ok(());
                }
            }
            // While the feed goes on nothing is summed up: the same again.
            None if more || asked.is_empty() => {}
            None => return Ok(()),
        }
    }
    let store = Arc::clone(store);
    Ok(blocking(move || store.forget_cursor()).await??)
}

/// Adds what differs by these sums. False if the sides do not compare.
async fn look(
    store: &Arc<Store>,
    answer: DigestAnswer,
    branches: &mut VecDeque<(Part, Prefix)>,
    parts: &mut VecDeque<(RecordId, Part)>,
) -> Result<bool, Refused> {
    let store = Arc::clone(store);
    let differing = blocking(move || store.compare(&answer)).await?;
    let Some(differing) = differing.map_err(|error: StoreError| Refused::from(error))? else { return Ok(false) };
    branches.extend(differing.branches);
    parts.extend(differing.parts);
    Ok(true)
}
