//! Adding people and areas: what the command line and the demo call.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::area::{Area, AreaId, AreaLevel, AreaTree};
use shared::author::Role;
use shared::ids::UserId;
use shared::outline::Outline;

use super::outline;
use crate::AppState;
use crate::auth::password::{self, BadPassword};
use crate::store::{self, Audit, StoreError, Tx, User};

/// A user to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique over all towns.
    pub login: String,
    /// As shown.
    pub name: String,
    /// What they do.
    pub role: Role,
    /// The roots of their scope; the first one's town is theirs.
    pub scope: Vec<AreaId>,
    /// May read restricted parts in their scope.
    pub cleared: bool,
    /// May see and export without masks.
    pub may_unmask: bool,
    /// For the console.
    pub password: Option<String>,
}

/// Why somebody or something cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password.
    #[error(transparent)]
    Password(#[from] BadPassword),
    /// A scope names an area that is not there.
    #[error("there is no area {0}; import the areas first")]
    NoSuchArea(AreaId),
    /// The scope's first area lies in no town.
    #[error("the area {0} lies in no town; a user belongs to one")]
    NoTown(AreaId),
    /// A user keeps something of their town.
    #[error("the area {0} lies in another town; somebody who works in several keeps an area of their own")]
    OtherTown(AreaId),
    /// A login must be something.
    #[error("a user needs a login and a name")]
    Empty,
    /// A line of the areas' file.
    #[error("line {line} of the areas: {why}")]
    Line {
        /// From 1, the header included.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// A user who can be added, with an id of their own.
pub fn new_user(app: &AppState, new: NewUser, areas: &AreaTree) -> Result<User, AddError> {
    if new.login.trim().is_empty() || new.name.trim().is_empty() {
        return Err(AddError::Empty);
    }
    if let Some(missing) = new.scope.iter().find(|id| areas.get(**id).is_none()) {
        return Err(AddError::NoSuchArea(*missing));
    }
    let first = new.scope.first().copied().ok_or(AddError::NoSuchArea(AreaId(0)))?;
    let town = areas.town_of(first).ok_or(AddError::NoTown(first))?;
    let password = new.password.as_deref().map(|text| password::hash(&*app.outside, text)).transpose()?;
    Ok(User {
        id: UserId::fresh(&*app.outside),
        town,
        name: new.name.trim().to_owned(),
        login: new.login.trim().to_owned(),
        role: new.role,
        scope: new.scope,
        cleared: new.cleared,
        may_unmask: new.may_unmask,
        password,
        active: true,
    })
}

/// Adds a user.
pub fn add_user(app: &AppState, new: NewUser) -> Result<User, AddError> {
    let user = new_user(app, new, &*app.areas()?)?;
    store::write(&*app.store, user.town, |tx| tx.put_user(&user))?;
    Ok(user)
}

/// What is to be otherwise of a user. What is `None`, and an empty scope, stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// As shown.
    pub name: Option<String>,
    /// What they do.
    pub role: Option<Role>,
    /// The roots of their scope, one of them at least in their town.
    pub scope: Vec<AreaId>,
    /// May read restricted parts in their scope.
    pub cleared: Option<bool>,
    /// May see and export without masks.
    pub may_unmask: Option<bool>,
    /// Works here.
    pub active: Option<bool>,
}

/// What `user` is once `change` is made, if it can be made.
pub fn changed(user: &User, change: UserChange, areas: &AreaTree) -> Result<User, AddError> {
    if change.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(AddError::Empty);
    }
    for id in &change.scope {
        if areas.get(*id).is_none() {
            return Err(AddError::NoSuchArea(*id));
        }
    }
    // Some of it stays in their town; the rest may lie in others.
    if let Some(first) = change.scope.first()
        && !change.scope.iter().any(|id| areas.town_of(*id) == Some(user.town))
    {
        return Err(AddError::OtherTown(*first));
    }
    Ok(User {
        name: change.name.map_or_else(|| user.name.clone(), |name| name.trim().to_owned()),
        role: change.role.unwrap_or(user.role),
        scope: if change.scope.is_empty() { user.scope.clone() } else { change.scope },
        cleared: change.cleared.unwrap_or(user.cleared),
        may_unmask: change.may_unmask.unwrap_or(user.may_unmask),
        active: change.active.unwrap_or(user.active),
        ..user.clone()
    })
}

/// Changes a user and writes down what of them: rights count at the next request, log-ins to the console end. `by` is
/// none for a command on the server; `more` is added to what is written down. Whether anything changed.
pub fn put_change(
    tx: &mut dyn Tx,
    (before, now): (&User, &User),
    (by, at): (Option<UserId>, DateTime<Utc>),
    more: &str,
) -> Result<bool, StoreError> {
    let what = [
        ("name", now.name != before.name),
        ("role", now.role != before.role),
        ("scope", now.scope != before.scope),
        ("cleared", now.cleared != before.cleared),
        ("may_unmask", now.may_unmask != before.may_unmask),
        ("active", now.active != before.active),
    ];
    let what: Vec<&str> = what.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    if what.is_empty() {
        return Ok(false);
    }
    tx.put_user(now)?;
    tx.drop_sessions_of(now.id)?;
    tx.put_audit(&Audit {
        at,
        user: by,
        action: "audit-user-changed".to_owned(),
        subject: now.id.to_string(),
        detail: format!("{}{more}", what.join(" ")),
    })?;
    Ok(true)
}

/// The same for a command on the server.
pub fn change_user(app: &AppState, user: &User, change: UserChange) -> Result<User, AddError> {
    let now = changed(user, change, &*app.areas()?)?;
    let at = app.outside.now();
    store::write::<_, StoreError>(&*app.store, user.town, |tx| put_change(tx, (user, &now), (None, at), ""))?;
    Ok(now)
}

/// What is written down of a user who was added: what they are, and what they may beyond it, by the names of the options.
pub fn added(user: &User, by: Option<UserId>, at: DateTime<Utc>) -> Audit {
    let rights = [(user.cleared, "cleared"), (user.may_unmask, "may-unmask")].into_iter().filter(|(has, _)| *has);
    let detail: Vec<&str> = std::iter::once(user.role.code()).chain(rights.map(|(_, name)| name)).collect();
    let (action, subject) = ("audit-user-added".to_owned(), user.id.to_string());
    Audit { at, user: by, action, subject, detail: detail.join(",") }
}

/// Reads areas from CSV with the header `id,parent,level,name,code,outline` (UTF-8, a BOM is taken) and adds or replaces
/// them, all or none. The last column is a polygon as WKT in degrees, WGS-84, as geographic programs write it; without the
/// column, or where it is empty, what was drawn before stays. Returns how many there were.
pub fn import_areas(app: &AppState, csv: impl std::io::Read) -> Result<usize, AddError> {
    let known: Vec<Area> = app.store.areas()?;
    let closed: BTreeSet<AreaId> = known.iter().filter(|area| area.closed).map(|area| area.id).collect();
    let mut drawn: BTreeMap<AreaId, Outline> = known.into_iter().map(|area| (area.id, area.outline)).collect();
    let mut ids: BTreeSet<AreaId> = drawn.keys().copied().collect();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let mut areas = Vec::new();
    for (row, line) in reader.records().zip(2_u64..) {
        let bad = |why: &str| AddError::Line { line, why: why.to_owned() };
        let row = row.map_err(|error| bad(&error.to_string()))?;
        let cell = |place: usize| row.get(place).unwrap_or_default();
        let id = cell(0).trim_start_matches('\u{feff}').parse().map(AreaId).map_err(|_| bad("the id is no number"))?;
        let parent = match cell(1) {
            "" => None,
            text => Some(text.parse().map(AreaId).map_err(|_| bad("the parent is no number"))?),
        };
        let level = AreaLevel::from_code(cell(2)).ok_or_else(|| bad("the level is county, town, community or grid"))?;
        if cell(3).is_empty() {
            return Err(bad("the name is missing"));
        }
        ids.insert(id);
        let outline = match cell(5) {
            "" => drawn.remove(&id).unwrap_or_default(),
            text => outline::from_wkt(text).map_err(|error| bad(&error.to_string()))?,
        };
        let closed = closed.contains(&id);
        areas.push((line, Area { outline, closed, ..Area::new(id, parent, level, cell(3), cell(4)) }));
    }
    for (line, area) in &areas {
        if let Some(parent) = area.parent.filter(|parent| !ids.contains(parent)) {
            return Err(AddError::Line { line: *line, why: format!("there is no parent {parent}") });
        }
    }
    let areas: Vec<Area> = areas.into_iter().map(|(_, area)| area).collect();
    app.store.put_areas(&areas)?;
    Ok(areas.len())
}
