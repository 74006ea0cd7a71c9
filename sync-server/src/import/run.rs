//! From the rows of a table to edits, a thousand rows at a time: first only looked at, then accepted piece by piece, so that
//! nobody who writes meanwhile waits for longer than one piece takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::form::Form;
use shared::ids::{Dot, EditId, RecordId, Slot, UserId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::Part;
use shared::validate::{self, Severity};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};
use shared::wire::Outcome;

use super::areas::{Areas, Named};
use super::header::{Column, Header};
use super::identity::{self, Index, Known, Match};
use super::report::{Change, Note, Report, Taken, Told};
use super::sheet::{self, Reading};
use super::table::{self, Cell, Input, Row, Written};
use super::{ImportError, Options, cells, job};
use crate::AppState;
use crate::auth::Who;
use crate::export::{Telling, show};
use crate::store::{self, Origin, Read, StoreError, Tx, User};
use crate::sync::accept::{self, Rules, Writer};

/// Rows accepted at once.
const PIECE: usize = 500;

/// What a table was read as.
pub struct Looked {
    /// What it is written in.
    pub written: Written,
    /// Columns not brought in.
    pub ignored: Vec<String>,
}

/// Hands over what would become of every row; nothing is written, and nobody who writes is kept waiting.
pub fn trial(
    app: &AppState,
    options: &Options,
    reading: &Reading,
    input: Input<'_>,
    each: &mut dyn FnMut(Told) -> Result<(), ImportError>,
) -> Result<Looked, ImportError> {
    with_run(app, options, reading, input, &mut |run, header| {
        store::read(&*app.store, run.writer.who.user.town, |read| {
            run.index = Index::read(read, run.form)?;
            let mut piece = Vec::with_capacity(PIECE);
            let written = table::each_row(input, reading.sheet.as_deref(), options.encoding, &mut |row| {
                if row.line > header {
                    piece.push(run.item(&row));
                }
                if piece.len() >= PIECE {
                    run.look(read, std::mem::take(&mut piece), each)?;
                }
                Ok(true)
            })?;
            run.look(read, std::mem::take(&mut piece), each)?;
            Ok(Looked { written, ignored: run.header.ignored() })
        })
    })
}

/// Takes a table in, by a slot that was made for it.
pub struct Taking<'a> {
    /// The slot.
    pub slot: Slot,
    /// How many rows were taken before it was interrupted.
    pub done: u64,
    /// What is to be noted in the transaction of a piece: what became of its rows.
    pub note: &'a mut dyn FnMut(&mut dyn Tx, &[Told]) -> Result<(), StoreError>,
    /// What is done with them once the piece is on the disk.
    pub each: &'a mut dyn FnMut(Told) -> Result<(), ImportError>,
}

/// Takes the rows in piece by piece: each is durable with what [`Taking::note`] notes of it. Memory is bounded by what the town
/// holds, not by the file.
pub fn take(
    app: &AppState,
    options: &Options,
    reading: &Reading,
    input: Input<'_>,
    taking: &mut Taking<'_>,
) -> Result<Looked, ImportError> {
    with_run(app, options, reading, input, &mut |run, header| {
        let town = run.writer.who.user.town;
        run.writer.slot = taking.slot;
        run.index = store::read(&*app.store, town, |read| Index::read(read, run.form))?;
        let mut piece = Vec::with_capacity(PIECE);
        let mut seen = 0;
        let written = table::each_row(input, reading.sheet.as_deref(), options.encoding, &mut |row| {
            if row.line <= header {
                return Ok(true);
            }
            let item = run.item(&row);
            seen += 1;
            if seen > taking.done {
                piece.push(item);
            }
            if piece.len() >= PIECE {
                run.take(&std::mem::take(&mut piece), taking)?;
            }
            Ok(true)
        })?;
        run.take(&piece, taking)?;
        Ok(Looked { written, ignored: run.header.ignored() })
    })
}

/// Readies what the rows are judged by.
fn with_run<T>(
    app: &AppState,
    options: &Options,
    reading: &Reading,
    input: Input<'_>,
    work: &mut dyn FnMut(&mut Run<'_>, u64) -> Result<T, ImportError>,
) -> Result<T, ImportError> {
    let rules = app.rules()?;
    let form = rules.forms.newest(options.kind).ok_or(ImportError::Empty)?;
    let top = sheet::top(input, reading.sheet.as_deref(), options.encoding, form, reading.header_line)?;
    let header = match &reading.mapping {
        Some(mapping) => Header::said(form, &top.header, mapping, options.area.is_some())?,
        None => Header::read(form, &top.header, options.area.is_some())?,
    };
    let town = town(&rules, options)?;
    let who = Who::of(options.user.clone().unwrap_or_else(|| nobody(town, &rules)), &rules.areas);
    let bound = options.area.map(|area| rules.areas.scope(&[area]));
    let areas = Areas::of(&rules.areas);
    let place = |area: AreaId| {
        who.scope.contains(area)
            && rules.areas.town_of(area) == Some(town)
            && bound.as_ref().is_none_or(|bound| bound.contains(area))
    };
    let author = Arc::new(Author { user: Some(who.user.id), name: who.user.name.clone(), role: who.user.role });
    let nothing = BTreeMap::new();
    let mut run = Run {
        app,
        rules: &rules,
        form,
        header: &header,
        words: reading.mapping.as_ref().map_or(&nothing, |mapping| &mapping.words),
        options,
        lang: reading.lang,
        areas: &areas,
        place: &place,
        index: Index::default(),
        seen: BTreeMap::new(),
        writer: Writer { who: who.clone(), slot: Slot(0), origin: Origin::Import },
        author,
    };
    work(&mut run, top.line)
}

pub(super) fn town(rules: &Rules, options: &Options) -> Result<AreaId, ImportError> {
    if let Some(area) = options.area {
        return rules.areas.town_of(area).ok_or_else(|| ImportError::BadArea(area.to_string()));
    }
    if let Some(user) = &options.user {
        return Ok(user.town);
    }
    let mut towns = rules.areas.iter().filter(|area| area.level == shared::area::AreaLevel::Town);
    match (towns.next(), towns.next()) {
        (Some(town), None) => Ok(town.id),
        _ => Err(ImportError::WhichTown),
    }
}

/// A command on the server acts for the whole town, as nobody in particular.
pub(super) fn nobody(town: AreaId, rules: &Rules) -> User {
    let name = rules.areas.get(town).map(|area| area.name.clone()).unwrap_or_default();
    User {
        id: UserId(uuid::Uuid::nil()),
        town,
        name,
        login: String::new(),
        role: Role::CenterStaff,
        scope: vec![town],
        cleared: true,
        may_unmask: false,
        password: None,
        active: true,
    }
}

/// Brings in a table, or with [`Options::dry_run`] only says what would become of it. All of it is read first: of one that
/// cannot be read to its end nothing is taken.
pub fn import<'a>(app: &AppState, options: &Options, input: impl Into<Input<'a>>) -> Result<Report, ImportError> {
    import_as(app, options, &Reading::default(), input.into())
}

/// The same, by what somebody said of the table.
pub fn import_as(
    app: &AppState,
    options: &Options,
    reading: &Reading,
    input: Input<'_>,
) -> Result<Report, ImportError> {
    let mut report = Report::new(Written::Xlsx, Vec::new());
    let mut add = |told: Told| {
        report.add(told);
        Ok(())
    };
    let looked = if options.dry_run {
        trial(app, options, reading, input, &mut add)?
    } else {
        with_run(app, options, reading, input, &mut |_, _| {
            table::each_row(input, reading.sheet.as_deref(), options.encoding, &mut |_| Ok(true)).map(drop)
        })?;
        let town = town(&app.rules()?, options)?;
        job::at_once(app, town, options, reading, input, &mut add)?
    };
    (report.encoding, report.ignored) = (looked.written, looked.ignored);
    Ok(report)
}

/// What a row writes, before it is known to whom.
#[derive(Clone)]
struct Draft {
    line: u64,
    title: String,
    area: AreaId,
    open: BTreeMap<Path, Value>,
    restricted: BTreeMap<Path, Value>,
    notes: Vec<Note>,
    unknown: Vec<(String, String)>,
}

/// A row, in the order of the table.
enum Item {
    /// Refused by itself.
    Refused(Told),
    /// To be written, perhaps to a record that is known.
    Row(Box<Draft>, Option<Known>),
}

/// What becomes of a row, and the edits that do it.
struct Judged {
    told: Told,
    edits: Vec<Edit>,
}

struct Run<'a> {
    app: &'a AppState,
    rules: &'a Rules,
    form: &'a Form,
    header: &'a Header<'a>,
    words: &'a BTreeMap<String, cells::Words>,
    options: &'a Options,
    lang: assets::messages::Lang,
    areas: &'a Areas,
    place: &'a dyn Fn(AreaId) -> bool,
    index: Index,
    /// The keys of the rows taken so far, with their lines.
    seen: BTreeMap<String, u64>,
    writer: Writer,
    author: Arc<Author>,
}

impl Run<'_> {
    fn item(&mut self, row: &Row) -> Item {
        let draft = self.draft(row);
        if draft.notes.is_empty() {
            return match self.matched(&draft) {
                Ok(known) => Item::Row(Box::new(draft), known),
                Err(why) => Item::Refused(refused(draft, vec![why])),
            };
        }
        let notes = draft.notes.clone();
        Item::Refused(refused(draft, notes))
    }

    /// The cells of a row as writes, or why it is refused.
    fn draft(&self, row: &Row) -> Draft {
        let mut draft = Draft {
            line: row.line,
            title: String::new(),
            area: self.options.area.unwrap_or(self.writer.who.user.town),
            open: BTreeMap::new(),
            restricted: BTreeMap::new(),
            notes: Vec::new(),
            unknown: Vec::new(),
        };
        let mut area_told = self.options.area.is_some();
        let refuse = |column: Option<&str>, key: &str| note(row.line, column, true, key);
        if row.cells.iter().skip(self.header.columns.len()).any(|cell| !cell.is_empty()) {
            draft.notes.push(refuse(None, "import-more-cells"));
        }
        for ((word, column), cell) in self.header.columns.iter().zip(&row.cells) {
            let word = Some(word.as_str());
            if cell.is_empty() {
                continue;
            }
            match column {
                Column::Ignored => {}
                Column::Area if *cell == Cell::NotText => draft.notes.push(refuse(word, "import-not-in-encoding")),
                Column::Area => {
                    let text = cells::tidy(&cell.plain());
                    match self.areas.find(&text) {
                        _ if text.is_empty() => {}
                        Named::One(area) if (self.place)(area) => {
                            draft.area = area;
                            area_told = true;
                        }
                        wrong => {
                            area_told = true;
                            draft.notes.push(refuse(word, area_problem(wrong)));
                        }
                    }
                }
                Column::Field(field) => {
                    let unknown = &mut draft.unknown;
                    let mut ask = |word: &str| unknown.push((field.name.clone(), word.to_owned()));
                    match cells::of_cell(field, cell, self.words.get(&field.name), &mut ask) {
                        Ok(writes) if field.restricted => draft.restricted.extend(writes),
                        Ok(writes) => draft.open.extend(writes),
                        Err(key) => draft.notes.push(refuse(word, key)),
                    }
                }
            }
        }
        if !area_told {
            draft.notes.push(refuse(None, "import-no-area-in-row"));
        } else if draft.notes.is_empty() && !(self.place)(draft.area) {
            draft.notes.push(refuse(None, "import-area-outside"));
        }
        if !draft.restricted.is_empty() && !self.writer.who.user.cleared {
            draft.notes.push(refuse(None, "import-not-cleared"));
        }
        draft.title = identity::written_text(&draft.open, &self.form.title).unwrap_or_default();
        draft
    }

    /// Who the row is about; refuses it where that is not clear.
    fn matched(&mut self, draft: &Draft) -> Result<Option<Known>, Note> {
        let keys = identity::keys(self.form, &[draft.area], &|name| identity::written_text(&draft.open, name));
        // With a number, the number alone tells two rows of one file apart.
        let surest = match keys.first() {
            Some(key) if identity::is_number(key) => keys.get(..1),
            _ => keys.get(..),
        };
        let surest = surest.unwrap_or_default();
        if let Some(line) = surest.iter().find_map(|key| self.seen.get(key)) {
            let mut twice = note(draft.line, None, true, "import-twice-in-file");
            twice.args.push(("line".to_owned(), line.to_string()));
            return Err(twice);
        }
        let found = match self.index.find(&keys) {
            Match::Several => return Err(note(draft.line, None, true, "import-several-match")),
            Match::One(known) if known.deleted => return Err(note(draft.line, None, true, "import-deleted")),
            Match::One(known) if !(self.place)(known.area) => {
                return Err(note(draft.line, None, true, "import-lives-elsewhere"));
            }
            Match::One(known) if known.area != draft.area => {
                return Err(note(draft.line, None, true, "import-other-grid"));
            }
            Match::One(known) => Some(known),
            Match::Nobody => None,
        };
        self.seen.extend(surest.iter().map(|key| (key.clone(), draft.line)));
        Ok(found)
    }

    /// Hands over what would become of a piece.
    fn look(
        &self,
        read: &dyn Read,
        piece: Vec<Item>,
        each: &mut dyn FnMut(Told) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        self.judged(read, &piece, 0, true)?.into_iter().try_for_each(|judged| each(judged.told))
    }

    /// Takes a piece in one transaction, then tells of it.
    fn take(&self, piece: &[Item], taking: &mut Taking<'_>) -> Result<(), ImportError> {
        if piece.is_empty() {
            return Ok(());
        }
        let town = self.writer.who.user.town;
        let told = store::write(&*self.app.store, town, |tx| {
            let first = accept::next_dot(&*tx, self.writer.slot)?.n - 1;
            let mut judged = self.judged(&*tx, piece, first, false)?;
            let edits = judged.iter_mut().map(|it| std::mem::take(&mut it.edits)).collect::<Vec<_>>();
            let counts: Vec<usize> = edits.iter().map(Vec::len).collect();
            let receipts = accept::accept_in(tx, self.rules, &self.writer, edits.into_iter().flatten().collect())?;
            let mut receipts = receipts.into_iter();
            for (it, count) in judged.iter_mut().zip(counts) {
                for receipt in receipts.by_ref().take(count) {
                    if let Outcome::Rejected(why) = receipt.outcome {
                        let column = why.path.as_ref().map(|path| self.label(path));
                        let key = if why.detail.is_empty() { "import-not-accepted" } else { why.detail.as_str() };
                        it.told.notes.push(note(it.told.line, column.as_deref(), true, key));
                        it.told.taken = Taken::Refused;
                    }
                }
            }
            let told: Vec<Told> = judged.into_iter().map(|it| it.told).collect();
            (taking.note)(tx, &told)?;
            Ok::<_, StoreError>(told)
        })?;
        told.into_iter().try_for_each(&mut *taking.each)
    }

    /// What becomes of the rows of a piece; the edits begin after `n`.
    fn judged(&self, read: &dyn Read, piece: &[Item], mut n: u64, tell: bool) -> Result<Vec<Judged>, StoreError> {
        let keys: Vec<(RecordId, Part)> = piece
            .iter()
            .filter_map(|item| match item {
                Item::Row(_, known) => *known,
                Item::Refused(_) => None,
            })
            .flat_map(|known| Part::ALL.map(|part| (known.id, part)))
            .collect();
        let mut states: BTreeMap<(RecordId, Part), PartState> = BTreeMap::new();
        for part in read.load_many(&keys)? {
            states.insert((part.record, part.part), crate::batch::state(&part)?);
        }
        let mut all = Vec::with_capacity(piece.len());
        for item in piece {
            let (draft, known) = match item {
                Item::Refused(told) => {
                    all.push(Judged { told: told.clone(), edits: Vec::new() });
                    continue;
                }
                Item::Row(draft, known) => (draft, *known),
            };
            let mut draft = Draft::clone(draft);
            let before = n;
            let edits = self.edits(&mut draft, known, &states, &mut n);
            if draft.notes.iter().any(|note| note.refused) {
                n = before;
                let notes = draft.notes.clone();
                all.push(Judged { told: refused(draft, notes), edits: Vec::new() });
                continue;
            }
            let taken = match (known, edits.is_empty()) {
                (None, _) => Taken::New,
                (Some(_), true) => Taken::Same,
                (Some(_), false) => Taken::Changed,
            };
            let changes = if tell && taken == Taken::Changed { self.changes(&edits, &states) } else { Vec::new() };
            let Draft { line, title, notes, .. } = draft;
            all.push(Judged { told: Told { line, taken, title, notes, changes, unknown: Vec::new() }, edits });
        }
        Ok(all)
    }

    /// What the edits write over, under its mask.
    fn changes(&self, edits: &[Edit], states: &BTreeMap<(RecordId, Part), PartState>) -> Vec<Change> {
        let told = Telling {
            forms: &self.rules.forms,
            areas: &self.rules.areas,
            lang: self.lang,
            unmasked: false,
            cleared: self.writer.who.user.cleared,
            today: shared::mask::today(self.rules.now),
            titles: &|_| None,
            users: &|_| None,
        };
        let mut changes = Vec::new();
        for edit in edits {
            let mut fields: Vec<&str> = edit.writes.keys().map(Path::field_name).collect();
            fields.dedup();
            let before = states.get(&(edit.record, edit.part)).cloned().unwrap_or_default();
            let mut after = before.clone();
            after.apply(edit);
            for field in fields.into_iter().filter_map(|name| self.form.field(name)) {
                // What is restricted is read on the record's page, where it is written down.
                let shown = |state: &PartState| {
                    if field.restricted { String::new() } else { show::field(field, state, &told) }
                };
                changes.push(Change {
                    field: field.name.clone(),
                    restricted: field.restricted,
                    old: shown(&before),
                    new: shown(&after),
                });
            }
        }
        changes
    }

    /// The edits of a row: one of each part that it changes.
    fn edits(
        &self,
        draft: &mut Draft,
        known: Option<Known>,
        states: &BTreeMap<(RecordId, Part), PartState>,
        n: &mut u64,
    ) -> Vec<Edit> {
        let record = known.map_or_else(|| RecordId::fresh(&*self.app.outside), |known| known.id);
        let mut edits = Vec::new();
        for part in Part::ALL {
            let mut writes = std::mem::take(if part == Part::Open { &mut draft.open } else { &mut draft.restricted });
            if part == Part::Restricted && writes.is_empty() {
                continue;
            }
            let state = states.get(&(record, part)).filter(|state| !state.is_empty());
            match state {
                Some(state) => self.only_changes(draft, state, &mut writes),
                None => {
                    if part == Part::Open {
                        writes.insert(Path::field("area"), Value::of(&draft.area));
                    }
                    for problem in validate::draft(self.form, part, &writes) {
                        self.judge(draft, problem);
                    }
                }
            }
            if writes.is_empty() {
                continue;
            }
            *n += 1;
            let edit = Edit {
                id: EditId::fresh(&*self.app.outside),
                record,
                kind: self.options.kind,
                part,
                dot: Dot { slot: self.writer.slot, n: *n },
                context: state.map_or_else(VectorTimestamp::new, |state| state.vector().clone()),
                epoch: self.rules.epoch,
                at: self.rules.now,
                zone: 480,
                author: Arc::clone(&self.author),
                form: self.form.version,
                writes,
            };
            if state.is_some() {
                for problem in validate::edit(self.form, &edit) {
                    self.judge(draft, problem);
                }
            }
            edits.push(edit);
        }
        edits
    }

    /// Leaves out what the record says already, and what people have to decide first.
    fn only_changes(&self, draft: &mut Draft, state: &PartState, writes: &mut BTreeMap<Path, Value>) {
        let mut open = Vec::new();
        writes.retain(|path, value| {
            let policy = self.form.field(path.field_name()).map(shared::form::Field::policy);
            match policy {
                Some(Policy::Many) => !state.live(path).any(|write| !write.value.is_null()),
                Some(Policy::One) if view::one(state, path.field_name()).is_open() => {
                    let said = state.live(path).any(|write| write.value == value);
                    if !said {
                        open.push(path.clone());
                    }
                    false
                }
                Some(policy) => view::shown(state, path.field_name(), policy) != Some(value),
                None => false,
            }
        });
        for path in open {
            draft.notes.push(note(draft.line, Some(&self.label(&path)), false, "import-to-decide"));
        }
    }

    fn judge(&self, draft: &mut Draft, problem: validate::Problem) {
        let refused = problem.severity == Severity::Refused;
        let mut found = note(draft.line, Some(&self.label(&problem.path)), refused, problem.code);
        found.args = problem.args.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        draft.notes.push(found);
    }

    /// The header's word for a field, or its label where it has no column.
    fn label(&self, path: &Path) -> String {
        let name = path.field_name();
        let column = self.header.columns.iter().find(|(_, c)| matches!(c, Column::Field(field) if field.name == name));
        match column {
            Some((word, _)) => word.clone(),
            None => self.form.field(name).map_or_else(|| name.to_owned(), |field| field.label.zh.clone()),
        }
    }
}

/// A row that is not taken.
fn refused(draft: Draft, notes: Vec<Note>) -> Told {
    let Draft { line, title, unknown, .. } = draft;
    Told { line, taken: Taken::Refused, title, notes, changes: Vec::new(), unknown }
}

fn area_problem(named: Named) -> &'static str {
    match named {
        Named::One(_) => "import-area-outside",
        Named::Several => "import-area-ambiguous",
        Named::None => "import-area-unknown",
    }
}

fn note(line: u64, column: Option<&str>, refused: bool, key: &str) -> Note {
    Note { line, column: column.map(str::to_owned), refused, key: key.to_owned(), args: Vec::new() }
}
