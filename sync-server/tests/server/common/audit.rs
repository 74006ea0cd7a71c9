//! The audit as it stands in the file, and the commands that look at it, run as programs.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use shared::area::AreaId;
use shared::author::Role;
use sync_server::AppState;
use sync_server::store::{self, AuditEntry, AuditFilter, StoreError};

use super::desk::{Desk, person};
use super::{Centre, GRID, TOWN};

/// 寺滩乡
pub const OTHER_TOWN: AreaId = AreaId(9);

/// What a command says, and whether it ended well.
pub fn run(args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-server"));
    let done = command.env("LANG", "en_GB.UTF-8").args(args).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), text)
}

/// `audit verify`
pub fn verify(data: &Path) -> (bool, String) {
    run(&["audit", "verify", "--data", data.to_str().unwrap()])
}

/// A centre of two towns in which some things were done.
pub async fn busy() -> Centre {
    let centre = Centre::open().await;
    person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    person(&centre, "other", Role::CenterStaff, OTHER_TOWN, false, false);
    centre.enrol(&centre.person("wei", Role::GridMember, GRID, false)).await;
    for _ in 0..4 {
        Desk::logged_in(&centre, "staff").await;
        Desk::logged_in(&centre, "other").await;
    }
    centre
}

/// As somebody does who has the file and knows its schema.
pub fn without_triggers(sql: &Connection) {
    let mut query = sql.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").unwrap();
    let names: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        sql.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
}

/// The entries of a town, oldest first.
pub fn entries(app: &AppState, town: AreaId) -> Vec<AuditEntry> {
    let all = AuditFilter { limit: usize::MAX, ..AuditFilter::default() };
    let mut found = store::read::<_, StoreError>(&*app.store, town, |read| read.audit_entries(&all)).unwrap();
    found.reverse();
    found.into_iter().map(|(entry, _)| entry).collect()
}
