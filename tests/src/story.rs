//! Words in which the stories of two handhelds are told.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use anyhow::{Context, Result, ensure};
use app::handheld::{Draft, Filter, Handheld, Saved, TakenIn};
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::{Part, Record, RecordKind};
use shared::value::Value;
use shared::view;
use shared::workflow::{STEPS, StepEntry};
use sync_server::AppState;
use sync_server::store::{self, PartFilter, StoredEdit};

/// What somebody does with a handheld, in the words of the stories.
pub trait Story {
    /// Finds the one record of a name.
    fn find(&self, name: &str) -> Result<RecordId>;
    /// Opens a record and changes fields, having seen what stands there.
    fn change(&self, record: RecordId, writes: &[(&str, &str)]) -> Result<Saved>;
    /// Opens a record now, to be saved later.
    fn open_form(&self, record: RecordId) -> Result<Draft>;
    /// Records somebody new.
    fn create(&self, kind: RecordKind, area: shared::area::AreaId, writes: &[(&str, &str)]) -> Result<Saved>;
    /// Reports an event with this step: 上报 or 现场处理.
    fn report(&self, area: shared::area::AreaId, title: &str, category: &str, entry: &StepEntry) -> Result<RecordId>;
    /// Reports something with a photo.
    fn report_photo(&self, area: shared::area::AreaId, taken: &TakenIn) -> Result<RecordId>;
    /// Takes a step of an event, having seen what stands there.
    fn go_on(&self, event: RecordId, entry: &StepEntry) -> Result<()>;
    /// The values that stand in a field of the open part.
    fn values(&self, record: RecordId, field: &str) -> Result<Vec<String>>;
    /// Everything it holds of a record.
    fn whole(&self, record: RecordId) -> Result<Record>;
}

impl Story for Handheld {
    fn find(&self, name: &str) -> Result<RecordId> {
        let found = self.search(name, &Filter::default(), 50, 0)?;
        let exact: Vec<_> = found.hits.iter().filter(|hit| hit.title == name).collect();
        ensure!(exact.len() == 1, "{} records are called {name}", exact.len());
        exact.first().map(|hit| hit.id).context("one record")
    }

    fn change(&self, record: RecordId, writes: &[(&str, &str)]) -> Result<Saved> {
        let mut draft = self.open_form(record)?;
        draft.writes = texts(writes);
        Ok(self.save(draft, None)?)
    }

    fn open_form(&self, record: RecordId) -> Result<Draft> {
        let page = self.record(record)?.context("the handheld does not hold the record")?;
        Ok(Draft {
            edit: self.new_edit_id(),
            record,
            kind: page.record.kind,
            form: page.form.version,
            context: page.vectors,
            seen: Some(page.seen),
            writes: BTreeMap::new(),
        })
    }

    fn create(&self, kind: RecordKind, area: shared::area::AreaId, writes: &[(&str, &str)]) -> Result<Saved> {
        let form = self.form(kind).context("the handheld has no form of the kind")?;
        let mut all = texts(writes);
        all.insert(Path::field("area"), Value::of(&area));
        let draft = Draft {
            edit: self.new_edit_id(),
            record: self.new_record_id(),
            kind,
            form: form.version,
            context: BTreeMap::new(),
            seen: None,
            writes: all,
        };
        Ok(self.save(draft, None)?)
    }

    fn report(&self, area: shared::area::AreaId, title: &str, category: &str, entry: &StepEntry) -> Result<RecordId> {
        let mut writes = texts(&[("source", "terminal"), ("category", category), ("title", title)]);
        writes.insert(Path::field("area"), Value::of(&area));
        let form = self.form(RecordKind::Event).context("the handheld has no form of events")?;
        let edit = self.new_edit_id();
        writes.insert(Path::entry(STEPS, edit), Value::of(entry));
        let draft = Draft {
            edit,
            record: self.new_record_id(),
            kind: RecordKind::Event,
            form: form.version,
            context: BTreeMap::new(),
            seen: None,
            writes,
        };
        Ok(self.save(draft, None)?.record)
    }

    fn report_photo(&self, area: shared::area::AreaId, taken: &TakenIn) -> Result<RecordId> {
        let mut writes = texts(&[("category", "hazard"), ("title", "路口井盖松动")]);
        writes.insert(Path::field("area"), Value::of(&area));
        writes.insert(Path::element("photos", taken.hash.as_str()), Value::of(&taken.particulars));
        let form = self.form(RecordKind::Event).context("the handheld has no form of events")?;
        let draft = Draft {
            edit: self.new_edit_id(),
            record: self.new_record_id(),
            kind: RecordKind::Event,
            form: form.version,
            context: BTreeMap::new(),
            seen: None,
            writes,
        };
        Ok(self.save(draft, None)?.record)
    }

    fn go_on(&self, event: RecordId, entry: &StepEntry) -> Result<()> {
        let mut draft = self.open_form(event)?;
        draft.writes.insert(Path::entry(STEPS, draft.edit), Value::of(entry));
        self.save(draft, None)?;
        Ok(())
    }

    fn values(&self, record: RecordId, field: &str) -> Result<Vec<String>> {
        Ok(values(&self.whole(record)?, field))
    }

    fn whole(&self, record: RecordId) -> Result<Record> {
        Ok(self.record(record)?.context("the handheld does not hold the record")?.record)
    }
}

fn texts(writes: &[(&str, &str)]) -> BTreeMap<Path, Value> {
    writes.iter().map(|(field, text)| (Path::field(field), Value::text(text))).collect()
}

/// The distinct values that stand in a field of a record's open part, in order of text.
pub fn values(record: &Record, field: &str) -> Vec<String> {
    let mut all: Vec<String> = match view::one(&record.open, field) {
        view::One::Absent => Vec::new(),
        view::One::Agreed(write) => vec![write.value.plain()],
        view::One::Open(writes) => writes.iter().map(|write| write.value.plain()).collect(),
    };
    all.sort();
    all
}

/// What the server holds, read from its folder beside the running server.
pub struct Kept(sync_server::App, shared::area::AreaId);

impl Kept {
    /// Opens the folder of a town's server.
    pub fn open(data: &FilePath, town: shared::area::AreaId) -> Result<Self> {
        Ok(Self(AppState::open(data, std::sync::Arc::new(sync_server::system::System))?, town))
    }

    /// The server's library on this folder.
    pub fn app(&self) -> &sync_server::App {
        &self.0
    }

    /// A record as the server holds it.
    pub fn record(&self, id: RecordId, kind: RecordKind) -> Result<Record> {
        let parts = store::read(&*self.0.store, self.1, |read| read.load_many(&Part::ALL.map(|part| (id, part))))?;
        let mut record = Record::empty(id, kind);
        for part in parts {
            *record.part_mut(part.part) = serde_json::from_str(&part.state)?;
        }
        Ok(record)
    }

    /// Every applied edit of a record.
    pub fn edits(&self, id: RecordId) -> Result<Vec<StoredEdit>> {
        Ok(store::read(&*self.0.store, self.1, |read| read.edits_of(id))?)
    }

    /// Ids of the edits in quarantine that nobody has decided on.
    pub fn quarantine(&self) -> Result<Vec<EditId>> {
        let held = store::read(&*self.0.store, self.1, |read| read.quarantine(true, 10_000))?;
        Ok(held.into_iter().map(|held| held.edit.id).collect())
    }

    /// How often something of this kind stands in the audit.
    pub fn audited(&self, action: &str) -> Result<usize> {
        let audit = store::read(&*self.0.store, self.1, |read| read.audits(10_000))?;
        Ok(audit.iter().filter(|entry| entry.action == action).count())
    }

    /// The open parts of all records that lie in these areas.
    pub fn open_parts(&self, areas: &[shared::area::AreaId]) -> Result<BTreeMap<RecordId, String>> {
        let filter = PartFilter { areas: Some(areas.to_vec()), ..PartFilter::default() };
        Ok(store::read(&*self.0.store, self.1, |read| {
            let mut all = BTreeMap::new();
            read.each_part(&filter, &mut |part| {
                all.insert(part.record, part.state);
                Ok(true)
            })?;
            Ok::<_, store::StoreError>(all)
        })?)
    }

    /// Fails unless each of the edits was applied exactly once, and is all there is of those records.
    pub fn holds_exactly(&self, saved: &BTreeMap<RecordId, Vec<EditId>>) -> Result<()> {
        for (record, edits) in saved {
            let mut kept: Vec<EditId> = self.edits(*record)?.iter().map(|kept| kept.edit.id).collect();
            let mut saved = edits.clone();
            kept.sort();
            saved.sort();
            ensure!(kept == saved, "of {record} {} edits were saved, the server holds {}", saved.len(), kept.len());
        }
        Ok(())
    }
}

/// Fails unless a handheld shows of each record exactly what the server holds (open parts).
pub fn same_as_server(handheld: &Handheld, kept: &Kept, areas: &[shared::area::AreaId]) -> Result<usize> {
    let parts = kept.open_parts(areas)?;
    for (id, state) in &parts {
        let page = handheld.record(*id)?.with_context(|| format!("the handheld lacks {id}"))?;
        let server: shared::merge::PartState = serde_json::from_str(state)?;
        let server = server.with_masked_authors();
        ensure!(page.record.open.with_masked_authors() == server, "the handheld shows {id} otherwise than the server");
    }
    Ok(parts.len())
}

/// Copies a folder with all that is in it; what stood there before goes.
pub fn copy(from: &FilePath, to: &FilePath) -> Result<()> {
    disk::remove_dir_all(to).with_context(|| format!("emptying {}", to.display()))?;
    disk::create_dir_all(to)?;
    for entry in disk::list(from).with_context(|| format!("listing {}", from.display()))? {
        let name = entry.path.file_name().context("an entry without a name")?;
        let target = to.join(name);
        if entry.is_folder { copy(&entry.path, &target)? } else { disk::copy(&entry.path, &target)? }
    }
    Ok(())
}

/// The same of a handheld as a backup of the device keeps it: without the mark of the installation.
pub fn back_up_handheld(from: &FilePath, to: &FilePath) -> Result<()> {
    copy(from, to)?;
    Ok(disk::remove_dir_all(&to.join("no-backup"))?)
}

/// Every file below a folder.
pub fn files_below(folder: &FilePath) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}
