//! From the rows of a table to edits, a thousand rows at a time: first only looked at, then accepted piece by piece, so that
//! nobody who writes meanwhile waits for longer than one piece takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::form::Form;
use shared::ids::{RecordId, Slot, UserId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::Part;
use shared::validate::{self, Severity};
use shared::wire::Outcome;

use super::areas::{Areas, Named};
use super::header::{Column, Header};
use super::identity::{Index, Known};
use super::report::{Change, Note, Report, Taken, Told};
use super::row::Draft;
use super::sheet::{self, Reading};
use super::table::{self, Input, Row, Written};
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

/// Notes in the transaction of a piece what became of its rows.
pub type Noting<'a> = dyn FnMut(&mut dyn Tx, &[Told]) -> Result<(), StoreError> + 'a;

/// Takes a table in, by a slot that was made for it.
pub struct Taking<'a> {
    /// The slot.
    pub slot: Slot,
    /// How many rows were taken before it was interrupted.
    pub done: u64,
    /// What is to be noted in the transaction of a piece: what became of its rows.
    pub note: &'a mut Noting<'a>,
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
    // A file that is none is told before a town that is missing.
    let town = town(&app.rules()?, options);
    let rules = if let Ok(town) = &town { app.rules_of(*town)? } else { app.rules()? };
    let form = rules.forms.newest(options.kind).ok_or(ImportError::Empty)?;
    let top = sheet::top(input, reading.sheet.as_deref(), options.encoding, form, reading.header_line)?;
    let header = match &reading.mapping {
        Some(mapping) => Header::said(form, &top.header, mapping, options.area.is_some())?,
        None => Header::read(form, &top.header, options.area.is_some())?,
    };
    let town = town?;
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

/// What rows are judged by.
pub(super) struct Run<'a> {
    pub(super) app: &'a AppState,
    pub(super) rules: &'a Rules,
    pub(super) form: &'a Form,
    pub(super) header: &'a Header<'a>,
    pub(super) words: &'a BTreeMap<String, cells::Words>,
    pub(super) options: &'a Options,
    pub(super) lang: assets::messages::Lang,
    pub(super) areas: &'a Areas,
    pub(super) place: &'a dyn Fn(AreaId) -> bool,
    pub(super) index: Index,
    /// The keys of the rows taken so far, with their lines.
    pub(super) seen: BTreeMap<String, u64>,
    pub(super) writer: Writer,
    pub(super) author: Arc<Author>,
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

    pub(super) fn judge(&self, draft: &mut Draft, problem: validate::Problem) {
        let refused = problem.severity == Severity::Refused;
        let mut found = note(draft.line, Some(&self.label(&problem.path)), refused, problem.code);
        found.args = problem.args.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        draft.notes.push(found);
    }

    /// The header's word for a field, or its label where it has no column.
    pub(super) fn label(&self, path: &Path) -> String {
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

pub(super) fn area_problem(named: Named) -> &'static str {
    match named {
        Named::One(_) => "import-area-outside",
        Named::Several => "import-area-ambiguous",
        Named::None => "import-area-unknown",
    }
}

pub(super) fn note(line: u64, column: Option<&str>, refused: bool, key: &str) -> Note {
    Note { line, column: column.map(str::to_owned), refused, key: key.to_owned(), args: Vec::new() }
}
