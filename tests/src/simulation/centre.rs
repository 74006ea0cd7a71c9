//! The centre in a run: the product's own server behind its own router, and what its staff do.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use app::sync::{Method, Request, Response};
use axum::Router;
use axum::body::Body;
use shared::author::Author;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::merge::PartState;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use sync_server::auth::Who;
use sync_server::store::{self, Origin, Read, StoreError, StoredEdit, User};
use sync_server::sync::accept::{Writer, accept_in, console_slot, next_dot};
use sync_server::sync::quarantine::{self, Decided};
use sync_server::{App, AppState};
use tower::ServiceExt;

use super::clock::Machine;
use super::drive::Driver;
use super::forms::Edition;
use super::template::{OTHER, TOWN};

/// The server as it runs.
pub struct Centre {
    app: App,
    router: Router,
    folder: PathBuf,
    machine: Arc<Machine>,
    page_items: usize,
}

/// The applied edits of a record, in whichever town it is.
pub fn edits_of(read: &dyn Read, record: RecordId) -> Result<Vec<StoredEdit>, StoreError> {
    let mut edits = read.edits_of(record)?;
    edits.extend(read.beside(OTHER).edits_of(record)?);
    Ok(edits)
}

/// A part as the store has it.
pub struct Stored {
    /// The kind of its record.
    pub kind: RecordKind,
    /// Its state.
    pub state: PartState,
}

impl Centre {
    /// Opens a data folder.
    pub fn open(folder: &FilePath, machine: Arc<Machine>, edition: Edition, page_items: usize) -> Result<Self> {
        let outside = Arc::clone(&machine) as Arc<dyn Outside>;
        let mut app = AppState::open(folder, outside)?;
        let state = Arc::get_mut(&mut app).context("nobody else holds it yet")?;
        state.forms = edition.shared_forms()?;
        state.page_items = page_items;
        // Wrong clocks would end leases, and runs with right ones go otherwise. A lease ends as a step of its own.
        state.lease_hours = u32::MAX;
        state.token_hours = u32::MAX;
        let router = sync_server::http::router(Arc::clone(&app));
        Ok(Self { app, router, folder: folder.to_owned(), machine, page_items })
    }

    /// The server's state.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where its data lie.
    pub fn folder(&self) -> &FilePath {
        &self.folder
    }

    /// Its clock and randomness.
    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// How many items a page of its feed has at most.
    pub fn page_items(&self) -> usize {
        self.page_items
    }

    /// Lets a request in; of its body only `cut` of a thousand bytes, if anything is said.
    pub fn deliver(&self, driver: &Driver, request: &Request, cut: Option<usize>) -> Result<Response> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        };
        let mut asked = axum::http::Request::builder().method(method).uri(&request.path);
        for (name, value) in &request.headers {
            asked = asked.header(*name, value);
        }
        let length = cut.map_or(request.body.len(), |share| request.body.len() * share / 1_000);
        let body = request.body.get(..length).unwrap_or_default().to_vec();
        let asked = asked.body(Body::from(body))?;
        let router = self.router.clone();
        driver.finish(async move {
            let (head, body) = router.oneshot(asked).await?.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await?.to_vec();
            let headers = head
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                .collect();
            Ok(Response { status: head.status.as_u16(), headers, body })
        })?
    }

    /// Reads at one moment.
    pub fn read<T>(&self, work: impl FnMut(&dyn Read) -> Result<T, StoreError>) -> Result<T> {
        Ok(store::read::<_, StoreError>(&*self.app.store, TOWN, work)?)
    }

    /// One part, if it exists.
    pub fn part(&self, record: RecordId, part: Part) -> Result<Option<Stored>> {
        let stored = self.read(|read| {
            let mut found = read.load_many(&[(record, part)])?;
            found.extend(read.beside(OTHER).load_many(&[(record, part)])?);
            Ok(found.into_iter().next())
        })?;
        let Some(stored) = stored else { return Ok(None) };
        Ok(Some(Stored { kind: stored.kind, state: serde_json::from_str(&stored.state)? }))
    }

    /// Whether a record is in the other town.
    pub fn is_elsewhere(&self, record: RecordId) -> Result<bool> {
        self.read(|read| Ok(!read.beside(OTHER).load_many(&[(record, Part::Open)])?.is_empty()))
    }

    /// The dot under which an edit was applied.
    pub fn applied(&self, record: RecordId, id: EditId) -> Result<Option<Dot>> {
        self.read(|read| {
            let edits = edits_of(read, record)?;
            Ok(edits.into_iter().find(|stored| stored.edit.id == id).map(|stored| stored.edit.dot))
        })
    }

    /// Changes a user.
    pub fn put_user(&self, user: &User) -> Result<()> {
        Ok(store::write::<_, StoreError>(&*self.app.store, user.town, |tx| tx.put_user(user))?)
    }

    /// Staff save something at the console, having seen the part with this vector. Gives the edit.
    pub fn save(
        &self,
        staff: &User,
        (record, kind, part): (RecordId, RecordKind, Part),
        context: &VectorTimestamp,
        id: EditId,
        writes: &BTreeMap<Path, Value>,
    ) -> Result<Edit> {
        let rules = self.app.rules()?;
        let who = Who::of(staff.clone(), &rules.areas);
        let author = Arc::new(Author { user: Some(staff.id), name: staff.name.clone(), role: staff.role });
        let edit = store::write::<_, StoreError>(&*self.app.store, staff.town, |tx| {
            let slot = console_slot(&self.app, tx)?;
            let edit = Edit {
                id,
                record,
                kind,
                part,
                dot: next_dot(tx, slot)?,
                context: context.clone(),
                epoch: rules.epoch,
                at: rules.now,
                zone: 480,
                author: Arc::clone(&author),
                form: 1,
                writes: writes.clone(),
            };
            let writer = Writer { who: who.clone(), slot, origin: Origin::Console };
            accept_in(tx, &rules, &writer, vec![edit.clone()])?;
            Ok(edit)
        })?;
        Ok(edit)
    }

    /// Staff accept an edit from quarantine, or leave it out.
    pub fn decide(&self, staff: &User, id: EditId, release: bool) -> Result<Decided> {
        let rules = self.app.rules()?;
        let who = Who::of(staff.clone(), &rules.areas);
        Ok(store::write::<_, StoreError>(&*self.app.store, staff.town, |tx| {
            if release {
                quarantine::release(&self.app, tx, &rules, &who, id)
            } else {
                quarantine::dismiss(tx, &rules, &who, id, "")
            }
        })?)
    }
}
