//! Enrolment: a one-time code for a credential, and what a handheld is told about its user and surroundings.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::area::{Area, AreaId};
use crate::author::Role;
use crate::ids::{DeviceId, Slot, UserId};
use crate::key_pin::KeyPin;

/// `POST /api/v1/enrol`: a one-time code for a token. No credential needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The protocol spoken.
    pub protocol: u32,
    /// The code as typed: digits, blanks and dashes ignored.
    pub code: String,
    /// What the device calls itself (model), for the list of terminals.
    pub name: String,
    /// The app's version.
    pub app: String,
    /// Who this installation was before, if it was somebody: the same terminal, which keeps the credential it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// The [`SealedKey`]s of users whose databases are closed on this handheld: base64 of age files. That of who enrols is
    /// opened for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// The key of a user's database on one handheld. Encrypted to the centre it lies beside the database, for a forgotten PIN.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKey {
    /// Whose database.
    pub user: UserId,
    /// Base64 of the 32 bytes.
    pub key: String,
}

/// An earlier enrolment of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Of whom.
    pub user: UserId,
    /// The slot written under.
    pub slot: Slot,
}

/// What enrolment gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// This enrolment.
    pub device: DeviceId,
    /// The writer this installation is for this user.
    pub slot: Slot,
    /// The present epoch of the server.
    pub epoch: u32,
    /// Sent as `Authorization: Bearer …`.
    pub token: String,
    /// When the token ends.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub expires: DateTime<Utc>,
    /// Who and where.
    pub setup: Setup,
    /// The key that was among [`EnrolRequest::keys`], base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What a handheld is told about its user and surroundings; sent again when it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Changes when anything in here does; the request names the one held.
    pub version: String,
    /// The town the handheld belongs to.
    pub town: AreaId,
    /// Who uses it.
    pub user: Me,
    /// The areas of the town, and those above it up to the root; only those of the scope and above it with their outlines.
    pub areas: Vec<Area>,
    /// The roots of the scope: what the user reads and writes is in them or below.
    pub scope: Vec<AreaId>,
    /// Which of them have a leader of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub led: Vec<AreaId>,
    /// Departments and people an event can be given to: id and name.
    pub handlers: Vec<Handler>,
    /// The age recipient (`age1…`) to which what leaves a handheld as a file is encrypted; only the centre opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// How long restricted parts can be read on a handheld that does not reach the server, hours; 0: the server does not
    /// lease.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lease_hours: u32,
    /// Whether date, time and grid are written into the photos taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stamp: bool,
    /// The keys by which the server may be known, the one in use first: the handheld connects to no other. None: any
    /// certificate that the system trusts is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<KeyPin>,
    /// The [`super::Edition::version`] in force: to be fetched where it is not the one held. None: the program's own forms
    /// and calendar count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// The app's newest version, and the oldest that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<super::AppOffer>,
}

fn is_false(stamp: &bool) -> bool {
    !stamp
}

fn is_none(hours: &u32) -> bool {
    *hours == 0
}

/// The user of a handheld.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    /// The person.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they do.
    pub role: Role,
    /// Whether they may read restricted parts in their scope.
    pub cleared: bool,
}

/// Somebody an event can be given to: a person or a department (which is a user of role `department`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// Who.
    pub id: UserId,
    /// As shown.
    pub name: String,
    /// A department, a leader, a member.
    pub role: Role,
}
