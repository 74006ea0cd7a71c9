//! Who this handheld is: asked when there is doubt, never in an ordinary round (`docs/decisions/007`).

use std::sync::Arc;
use std::time::Duration;

use shared::outside::Outside;
use shared::wire::SlotAnswer;

use super::round::{RoundDone, blocking};
use super::{Client, Refused};
use crate::store::Store;

const PATH: &str = "/api/v1/slot";
const TIMEOUT: Duration = Duration::from_secs(60);
/// Questions in a row.
const QUESTIONS: u32 = 3;

/// Notes that there is doubt. It lasts, over restarts too, until it is settled.
pub(super) async fn raise(store: &Arc<Store>, outside: &Arc<dyn Outside>) -> Result<(), Refused> {
    let (store, outside) = (Arc::clone(store), Arc::clone(outside));
    Ok(blocking(move || store.doubt(&*outside)).await??)
}

/// Goes back to an earlier credential where the server does not know the present one (it was restored). Says whether there
/// was one to go back to.
pub(super) async fn fall_back(
    store: &Arc<Store>,
    client: &mut Client,
    outside: &Arc<dyn Outside>,
    refused: &Refused,
) -> Result<bool, Refused> {
    if refused.code != "token_invalid" {
        return Ok(false);
    }
    let (keeper, outside) = (Arc::clone(store), Arc::clone(outside));
    let (gone_back, token) = blocking(move || {
        let gone_back = keeper.fall_back(&*outside)?;
        Ok::<_, Refused>((gone_back, keeper.meta()?.token))
    })
    .await??;
    client.go_on_with(&token);
    Ok(gone_back)
}

/// Settles the doubt, if there is any: asks, takes the answer, goes on with the new credential. Should the answer be lost
/// the same question is asked again.
pub(super) async fn settle(
    store: &Arc<Store>,
    client: &mut Client,
    outside: &Arc<dyn Outside>,
    done: &mut RoundDone,
) -> Result<(), Refused> {
    // One answer may lead to another question: for a slot of its own.
    for _ in 0..QUESTIONS {
        let reader = Arc::clone(store);
        let Some(question) = blocking(move || reader.question()).await?? else { return Ok(()) };
        let answered = client.post(PATH, &question, TIMEOUT).await?;
        done.requests += 1;
        done.sent += answered.sent;
        done.received += answered.received;
        done.changed = true;
        let (keeper, outside) = (Arc::clone(store), Arc::clone(outside));
        let token = blocking(move || {
            let answer: SlotAnswer = shared::json::from_slice(&answered.bytes()?)
                .map_err(|error| Refused::of("sync-bad-answer", error, true))?;
            keeper.settle_slot(&question, &answer, &*outside)?;
            tracing::info!(fork = answer.fork.is_some(), receipts = answer.receipts.len(), "the slot was in doubt");
            Ok::<_, Refused>(keeper.meta()?.token)
        })
        .await??;
        client.go_on_with(&token);
    }
    Ok(())
}
