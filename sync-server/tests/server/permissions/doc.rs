//! The tables of the doc, read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use shared::author::Role;
use shared::record::RecordKind;

use super::town::Where;

const DOC: &str = include_str!("../../../../docs/permissions.md");

/// What somebody may beyond their role.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    pub cleared: bool,
    pub may_unmask: bool,
}

impl Rights {
    /// A word of a cell without what it asks for (`*`: cleared, `!`: `may_unmask`), and whether that is had.
    fn fit(self, word: &str) -> (&str, bool) {
        let (word, has_unmask) = word.strip_suffix('!').map_or((word, true), |word| (word, self.may_unmask));
        let (word, has_cleared) = word.strip_suffix('*').map_or((word, true), |word| (word, self.cleared));
        (word, has_unmask && has_cleared)
    }
}

/// The rows between two marks, header first, each cell without its blanks.
fn rows(name: &str) -> Vec<Vec<String>> {
    let begin = format!("<!-- begin: {name} -->");
    let table = DOC.split(&begin).nth(1).unwrap_or_else(|| panic!("no table {name}"));
    let table = table.split(&format!("<!-- end: {name} -->")).next().unwrap();
    let lines = table.lines().filter(|line| line.starts_with('|') && !line.contains("---"));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The roles of a header, from its column `from` on: all of them, each once.
fn roles(header: &[String], from: usize) -> Vec<Role> {
    let roles: Vec<Role> = header[from..].iter().map(|code| Role::from_code(code).unwrap()).collect();
    let codes: BTreeSet<&str> = roles.iter().map(|role| role.code()).collect();
    assert_eq!((roles.len(), codes.len()), (Role::ALL.len(), Role::ALL.len()));
    roles
}

/// Who may do what to records.
pub struct Table {
    cells: BTreeMap<(String, String, &'static str), String>,
    tried: RefCell<BTreeSet<(String, String)>>,
}

impl Table {
    pub fn records() -> Self {
        let rows = rows("records");
        let roles = roles(&rows[0], 2);
        let mut cells = BTreeMap::new();
        for row in &rows[1..] {
            assert_eq!(row.len(), roles.len() + 2, "{row:?}");
            for (role, cell) in roles.iter().zip(&row[2..]) {
                let known = cells.insert((row[0].clone(), row[1].clone(), role.code()), cell.clone());
                assert!(known.is_none(), "{row:?} stands twice");
            }
        }
        Self { cells, tried: RefCell::default() }
    }

    /// What the doc says. A row that is not there is a hole in the doc.
    pub fn allows(&self, action: &str, at: Where, role: Role, rights: Rights, kind: RecordKind) -> bool {
        let at = at.code();
        self.tried.borrow_mut().insert((action.to_owned(), at.to_owned()));
        let cell = self.cells.get(&(action.to_owned(), at.to_owned(), role.code()));
        let cell = cell.unwrap_or_else(|| panic!("the doc has no row for {action} {at}"));
        let mut allowed = false;
        for word in cell.split(' ') {
            let (word, may) = rights.fit(word);
            match word.strip_prefix('-') {
                Some(kind_out) => allowed &= RecordKind::from_code(kind_out).unwrap() != kind,
                None if word == "none" => {}
                None if word == "all" => allowed |= may,
                None => allowed |= may && RecordKind::from_code(word).unwrap_or_else(|| panic!("{cell}")) == kind,
            }
        }
        allowed
    }

    /// Rows that nobody asked for.
    pub fn untried(&self) -> Vec<(String, String)> {
        let rows: BTreeSet<_> = self.cells.keys().map(|(action, at, _)| (action.clone(), at.clone())).collect();
        rows.difference(&self.tried.borrow()).cloned().collect()
    }
}

/// Whether a page of the console opens for a role.
pub struct Page {
    pub path: String,
    pub role: Role,
    pub open: bool,
}

impl Page {
    pub fn all() -> Vec<Self> {
        let rows = rows("pages");
        let roles = roles(&rows[0], 1);
        let of = |row: &Vec<String>| -> Vec<Self> {
            let cells = roles.iter().zip(&row[1..]);
            let page = |(role, cell): (&Role, &String)| {
                assert!(cell == "yes" || cell == "no", "{row:?}");
                Self { path: row[0].clone(), role: *role, open: cell == "yes" }
            };
            cells.map(page).collect()
        };
        rows[1..].iter().flat_map(of).collect()
    }
}

/// Whether a form of the console does for a role what it says.
pub struct Act {
    pub path: String,
    pub at: String,
    cells: Vec<(Role, String)>,
}

impl Act {
    pub fn all() -> Vec<Self> {
        let rows = rows("acts");
        let roles = roles(&rows[0], 2);
        let of = |row: &Vec<String>| {
            let cells: Vec<(Role, String)> = roles.iter().copied().zip(row[2..].iter().cloned()).collect();
            assert_eq!(cells.len(), row.len() - 2, "{row:?}");
            assert!(
                cells.iter().all(|(_, cell)| matches!(cell.as_str(), "yes" | "yes*" | "yes!" | "yes*!" | "no")),
                "{row:?}"
            );
            Self { path: row[0].clone(), at: row[1].clone(), cells }
        };
        rows[1..].iter().map(of).collect()
    }

    pub fn open(&self, role: Role, rights: Rights) -> bool {
        let cell = self.cells.iter().find(|(of, _)| *of == role).map_or("no", |(_, cell)| cell);
        rights.fit(cell) == ("yes", true)
    }
}
