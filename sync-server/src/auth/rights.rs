//! What 管理员 do to people at the console, and what of it takes two: whoever gives somebody the sight of restricted parts
//! or of numbers in full, or more of it, asks, and somebody who has that right already releases it (decision 24).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::area::{AreaId, AreaTree, Scope};
use shared::author::Role;
use shared::ids::UserId;
use uuid::Uuid;

use super::people::{self, AddError, NewUser, UserChange};
use super::session::{self, ChangeError};
use super::{Who, second, totp};
use crate::AppState;
use crate::batch::approval::LAPSES;
use crate::store::{self, Approval, Audit, Read, StoreError, Tx, User};

/// The kind of these approvals.
const KIND: &str = "rights";
/// Bytes of a first password: sixteen letters.
const PASSWORD_BYTES: usize = 10;

/// What somebody asked for, exactly: only that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whose.
    pub user: UserId,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    scope: Vec<AreaId>,
    #[serde(default)]
    cleared: Option<bool>,
    #[serde(default)]
    may_unmask: Option<bool>,
    #[serde(default)]
    active: Option<bool>,
    /// Their second factor is to be set up anew; nothing else is.
    #[serde(default)]
    pub second: bool,
}

impl Wanted {
    /// All of `change` but the name, which nobody asks for: ids and code names only.
    pub fn of(user: UserId, change: &UserChange) -> Self {
        Self {
            user,
            role: change.role,
            scope: change.scope.clone(),
            cleared: change.cleared,
            may_unmask: change.may_unmask,
            active: change.active,
            second: false,
        }
    }

    fn change(&self) -> UserChange {
        let (role, scope, cleared) = (self.role, self.scope.clone(), self.cleared);
        UserChange { name: None, role, scope, cleared, may_unmask: self.may_unmask, active: self.active }
    }
}

/// A request as the page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asked when.
    pub approval: Approval,
    /// What for.
    pub wanted: Wanted,
    /// As the person would be.
    pub after: User,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It counts.
    Changed,
    /// What takes two waits for another person.
    Asked,
    /// It was so already.
    Nothing,
}

/// Why it is not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is to be is nothing that can be.
    #[error(transparent)]
    Add(#[from] AddError),
    /// Nobody this administrator is responsible for.
    #[error("not theirs to change")]
    NotTheirs,
    /// One's own role, scope and rights are another's to change.
    #[error("their own rights")]
    Own,
    /// More than this administrator is responsible for.
    #[error("an area outside of their own scope")]
    OutOfScope,
    /// With the password alone one would be them.
    #[error("they have rights and no second factor yet")]
    NotAlone,
    /// There is no such request any more, or it is not for this person to release.
    #[error("nothing to release")]
    NotReleasable,
}

/// Whether `by` looks after `user`: an administrator whose scope holds theirs.
pub fn looks_after(by: &Who, user: &User) -> bool {
    let within = user.scope.iter().all(|id| by.scope.contains(*id));
    by.user.active && by.user.role == Role::Admin && by.user.town == user.town && within
}

/// Whether a person may see what others do not.
pub fn has_rights(user: &User) -> bool {
    user.cleared || user.may_unmask
}

/// Whether `after` sees more of what is restricted or masked than `before` did: by a new right, or by one that reaches
/// further.
fn takes_two(before: &User, after: &User, areas: &AreaTree) -> bool {
    let had = areas.scope(&before.scope);
    let further = after.role != before.role || !areas.scope(&after.scope).iter().all(|id| had.contains(id));
    let more = |before_has: bool, after_has: bool| after_has && (!before_has || !before.active || further);
    after.active && (more(before.cleared, after.cleared) || more(before.may_unmask, after.may_unmask))
}

/// Adds somebody. Rights asked for with them wait for another person. Returns them, and whether something waits.
pub fn add(app: &AppState, by: &Who, new: NewUser) -> Result<(User, bool), RightsError> {
    let areas = app.areas()?;
    let change = UserChange {
        cleared: new.cleared.then_some(true),
        may_unmask: new.may_unmask.then_some(true),
        ..UserChange::default()
    };
    let user = people::new_user(app, NewUser { cleared: false, may_unmask: false, ..new }, &areas)?;
    if !looks_after(by, &user) {
        return Err(RightsError::OutOfScope);
    }
    let (now, asks) = (app.outside.now(), change.cleared.is_some() || change.may_unmask.is_some());
    let id = app.outside.uuid();
    store::write::<_, RightsError>(&*app.store, user.town, |tx| {
        tx.put_user(&user)?;
        tx.put_audit(&people::added(&user, Some(by.user.id), now))?;
        if asks {
            ask(tx, by.user.id, now, id, &Wanted::of(user.id, &change))?;
        }
        Ok(())
    })?;
    Ok((user, asks))
}

/// Changes somebody, or asks for it where it takes two; their name changes at once in any case.
pub fn change(app: &AppState, by: &Who, id: UserId, change: UserChange) -> Result<Done, RightsError> {
    let (areas, now, approval) = (app.areas()?, app.outside.now(), app.outside.uuid());
    store::write(&*app.store, by.user.town, |tx| {
        let before = theirs(&*tx, by, id)?;
        let after = people::changed(&before, change.clone(), &areas)?;
        let named = User { name: after.name.clone(), ..before.clone() };
        if id == by.user.id && after != named {
            return Err(RightsError::Own);
        }
        if !looks_after(by, &after) {
            return Err(RightsError::OutOfScope);
        }
        let by_at = (Some(by.user.id), now);
        if takes_two(&before, &after, &areas) {
            people::put_change(tx, (&before, &named), by_at, "")?;
            let differs = UserChange {
                name: None,
                role: Some(after.role).filter(|role| *role != before.role),
                scope: if after.scope == before.scope { Vec::new() } else { after.scope },
                cleared: Some(after.cleared).filter(|it| *it != before.cleared),
                may_unmask: Some(after.may_unmask).filter(|it| *it != before.may_unmask),
                active: Some(after.active).filter(|it| *it != before.active),
            };
            ask(tx, by.user.id, now, approval, &Wanted::of(id, &differs))?;
            return Ok(Done::Asked);
        }
        Ok(if people::put_change(tx, (&before, &after), by_at, "")? { Done::Changed } else { Done::Nothing })
    })
}

/// Gives somebody a password that nobody chose, and ends their log-ins. Returns it: it is shown once.
pub fn set_password(app: &AppState, by: &Who, id: UserId) -> Result<(User, String), RightsError> {
    let (user, factor) = store::read::<_, RightsError>(&*app.store, by.user.town, |read| {
        Ok((theirs(read, by, id)?, read.second_factor(id)?))
    })?;
    if id == by.user.id {
        return Err(RightsError::Own);
    }
    if has_rights(&user) && !factor.is_some_and(|factor| factor.confirmed) {
        return Err(RightsError::NotAlone);
    }
    let text = first_password(app);
    match session::change_password(app, &user, &text, Some(&by.user)) {
        Ok(()) => Ok((user, text)),
        Err(ChangeError::Store(error)) => Err(error.into()),
        Err(ChangeError::Password(error)) => Err(AddError::Password(error).into()),
        Err(ChangeError::Short) => Err(StoreError::Missing("a password long enough").into()),
    }
}

/// Sixteen letters in fours: easier to read aloud and to type.
pub fn first_password(app: &AppState) -> String {
    let mut bytes = [0; PASSWORD_BYTES];
    app.outside.fill(&mut bytes);
    let letters = totp::base32(&bytes).to_lowercase();
    let fours = letters.as_bytes().chunks(4).filter_map(|four| std::str::from_utf8(four).ok());
    fours.collect::<Vec<_>>().join("-")
}

/// Takes somebody's second factor away; of who has rights it takes two, or an administrator could become them.
pub fn reset_second(app: &AppState, by: &Who, id: UserId) -> Result<Done, RightsError> {
    let user = store::read::<_, RightsError>(&*app.store, by.user.town, |read| theirs(read, by, id))?;
    if id == by.user.id {
        return Err(RightsError::Own);
    }
    if !has_rights(&user) {
        second::reset(app, &user, Some(by.user.id))?;
        return Ok(Done::Changed);
    }
    let (now, approval) = (app.outside.now(), app.outside.uuid());
    let wanted = Wanted { second: true, ..Wanted::of(id, &UserChange::default()) };
    store::write(&*app.store, by.user.town, |tx| ask(tx, by.user.id, now, approval, &wanted))?;
    Ok(Done::Asked)
}

/// Does what another asked for.
pub fn release(app: &AppState, who: &Who, id: Uuid) -> Result<(), RightsError> {
    let (areas, now, by) = (app.areas()?, app.outside.now(), who.user.id);
    store::write(&*app.store, who.user.town, |tx: &mut dyn Tx| {
        let found = tx.approval(id)?.filter(|it| stands(it, now)).ok_or(RightsError::NotReleasable)?;
        let asked = read_asked(&*tx, &areas, found)?.ok_or(RightsError::NotReleasable)?;
        let fits = may_release(who, &asked, &areas) && tx.release_approval(id, by, now)? && tx.use_approval(id, now)?;
        if !fits {
            return Err(RightsError::NotReleasable);
        }
        let before = tx.user(asked.wanted.user)?.ok_or(RightsError::NotReleasable)?;
        let more = format!("asked_by {}", asked.approval.asked_by);
        let (user, subject) = (Some(by), before.id.to_string());
        tx.put_audit(&Audit {
            at: now,
            user,
            action: "audit-rights-released".to_owned(),
            subject,
            detail: more.clone(),
        })?;
        if asked.wanted.second {
            second::reset_in(tx, before.id, (user, now))?;
        } else {
            people::put_change(tx, (&before, &asked.after), (user, now), &format!(" {more}"))?;
        }
        Ok(())
    })
}

/// What waits: what this person could release, and what they asked for, newest first.
pub fn waiting(read: &dyn Read, who: &Who, areas: &AreaTree, now: DateTime<Utc>) -> Result<Vec<Asked>, StoreError> {
    let mut all = Vec::new();
    for approval in read.approvals(KIND, now - LAPSES)?.into_iter().filter(|approval| stands(approval, now)) {
        let asked = read_asked(read, areas, approval)?;
        all.extend(asked.filter(|asked| asked.approval.asked_by == who.user.id || may_release(who, asked, areas)));
    }
    Ok(all)
}

/// Whoever has the rights in question, everywhere they would reach; nobody for themselves, nobody what they asked for.
fn may_release(who: &Who, asked: &Asked, areas: &AreaTree) -> bool {
    let user = &who.user;
    let reach: Scope = areas.scope(&asked.after.scope);
    let decides = matches!(user.role, Role::Admin | Role::CenterStaff) && user.active;
    let has = (user.cleared || !asked.after.cleared) && (user.may_unmask || !asked.after.may_unmask);
    let other = user.id != asked.after.id && user.id != asked.approval.asked_by && user.town == asked.after.town;
    decides && has && other && reach.iter().all(|id| who.scope.contains(id))
}

fn stands(approval: &Approval, now: DateTime<Utc>) -> bool {
    approval.kind == KIND && approval.used_at.is_none() && now - approval.asked_at < LAPSES
}

/// None: what was asked for makes no sense any more.
fn read_asked(read: &dyn Read, areas: &AreaTree, approval: Approval) -> Result<Option<Asked>, StoreError> {
    let wanted: Wanted = serde_json::from_str(&approval.subject)
        .map_err(|error| StoreError::Corrupt { what: "approval".to_owned(), why: error.to_string() })?;
    let Some(before) = read.user(wanted.user)? else { return Ok(None) };
    let after = people::changed(&before, wanted.change(), areas).ok();
    Ok(after.map(|after| Asked { approval, wanted, after }))
}

fn theirs(read: &dyn Read, by: &Who, id: UserId) -> Result<User, RightsError> {
    read.user(id)?.filter(|user| looks_after(by, user)).ok_or(RightsError::NotTheirs)
}

fn ask(tx: &mut dyn Tx, by: UserId, now: DateTime<Utc>, id: Uuid, wanted: &Wanted) -> Result<(), RightsError> {
    let subject = serde_json::to_string(wanted)
        .map_err(|error| StoreError::Corrupt { what: "approval".to_owned(), why: error.to_string() })?;
    let kind = KIND.to_owned();
    let detail = subject.clone();
    tx.put_approval(&Approval { id, kind, subject, asked_by: by, asked_at: now, released: None, used_at: None })?;
    let (action, subject) = ("audit-rights-asked".to_owned(), wanted.user.to_string());
    tx.put_audit(&Audit { at: now, user: Some(by), action, subject, detail })?;
    Ok(())
}
