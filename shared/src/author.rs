//! Who wrote: a person with a role. Of an informant or the public, readers other than the centre see the role only.

use serde::{Deserialize, Serialize};

use crate::ids::UserId;
use crate::record::RecordKind;

/// What somebody does in the township (`domain.md`, "The township").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 网格员: walks a grid, records everything there.
    GridMember,
    /// 网格长: takes what comes from below, settles or raises it.
    GridLeader,
    /// 信息员: reports from anywhere, sees only their own reports.
    Informant,
    /// 巡防队员: patrols a set of areas.
    PatrolMember,
    /// 中心工作人员: triage, dispatch, duplicates, batches.
    CenterStaff,
    /// 部门: answers what is dispatched to it.
    Department,
    /// 管理员: devices, people, areas, forms; does not thereby read restricted records.
    Admin,
}

impl Role {
    /// Every role, in the order of `domain.md`.
    pub const ALL: [Self; 7] = [
        Self::GridMember,
        Self::GridLeader,
        Self::Informant,
        Self::PatrolMember,
        Self::CenterStaff,
        Self::Department,
        Self::Admin,
    ];

    /// The code name, as on the wire and in SQL.
    pub fn code(self) -> &'static str {
        match self {
            Self::GridMember => "grid_member",
            Self::GridLeader => "grid_leader",
            Self::Informant => "informant",
            Self::PatrolMember => "patrol_member",
            Self::CenterStaff => "center_staff",
            Self::Department => "department",
            Self::Admin => "admin",
        }
    }

    /// The role of a code name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Whether who this is stays with the centre (实名仅中心可见).
    pub fn is_anonymous_to_others(self) -> bool {
        self == Self::Informant
    }

    /// Whether this role makes records of a kind at all. Events are reported from anywhere, the others in the scope.
    pub fn creates(self, kind: RecordKind) -> bool {
        match (kind, self) {
            (RecordKind::Event, role) => role != Self::Admin,
            (RecordKind::Object, Self::PatrolMember) => true,
            (_, Self::GridMember | Self::GridLeader | Self::CenterStaff) => true,
            _ => false,
        }
    }

    /// Whether this role changes records of a kind that lie in its scope. Beyond that an event takes steps and photos
    /// from those it names.
    pub fn changes(self, kind: RecordKind) -> bool {
        match self {
            Self::GridMember | Self::GridLeader | Self::CenterStaff => true,
            Self::PatrolMember => matches!(kind, RecordKind::Event | RecordKind::Object),
            Self::Informant | Self::Department | Self::Admin => false,
        }
    }
}

/// Who made an edit. `user` and `name` are absent where the reader may not know them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Their name as shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What they were then.
    pub role: Role,
}

impl Author {
    /// What a reader outside the centre sees of this author.
    #[must_use]
    pub fn masked(&self) -> Self {
        if self.role.is_anonymous_to_others() {
            Self { user: None, name: String::new(), role: self.role }
        } else {
            self.clone()
        }
    }
}
