//! Visits as the app records them: an event without steps.

use shared::area::AreaId;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::path::Path;
use shared::value::Value;
use shared::workflow::STEPS;

use super::Handheld;

impl Handheld<'_> {
    /// A visit in an area: what was found there tells of whoever was visited.
    pub fn visit(&mut self, of: Option<RecordId>, area: AreaId, found: &str) -> Edit {
        let mut edit = self.event("走访 11月26日", area);
        edit.form = 2;
        edit.writes.retain(|path, _| path.field_name() != STEPS);
        edit.writes.insert(Path::field("category"), Value::text("visit"));
        edit.writes.insert(Path::field("found"), Value::text(found));
        if let Some(of) = of {
            edit.writes.insert(Path::field("subject"), Value::of(&of));
        }
        edit
    }
}
