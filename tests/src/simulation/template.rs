//! A town with its people and enrolled handhelds, made once for a process and copied for every run: making databases
//! would take longer than a run.

use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use shared::area::AreaId;
use shared::author::Role;
use sync_server::auth::enrol::make_code;
use sync_server::auth::people::{NewUser, add_user, import_areas};
use sync_server::store::User;

use super::centre::Centre;
use super::clock::{Machine, Shows, Time};
use super::drive::Driver;
use super::forms::Edition;
use super::hand;
use super::network::Network;
use super::world::soundly;
use crate::{
    near,
    postgres::{copy as copy_database, stand_in_at},
};

/// The town.
pub const TOWN: AreaId = AreaId(2);
/// A community of it.
pub const COMMUNITY: AreaId = AreaId(10);
/// Its grids.
pub const GRIDS: [AreaId; 2] = [AreaId(11), AreaId(12)];
/// Another town.
pub const OTHER: AreaId = AreaId(3);
/// Its grid.
pub const OTHER_GRID: AreaId = AreaId(31);

const AREAS: &str = "\
id,parent,level,name,code
1,,county,某县,
2,1,town,某镇,
10,2,community,一社区,
11,10,grid,第一网格,
12,10,grid,第二网格,
";

const OTHER_AREAS: &str = "\
id,parent,level,name,code
3,1,town,乙镇,
30,3,community,乙社区,
31,30,grid,乙网格,
";

/// How many templates there are: they differ in slots, ids and in who the last handheld belongs to.
pub const TEMPLATES: usize = 4;

/// Who a handheld belongs to: login, role, scope, cleared. The third one is the second handheld of the first user.
fn people(which: usize) -> [(&'static str, Role, AreaId, bool); 5] {
    let last = match which % TEMPLATES {
        0 => ("leader", Role::GridLeader, COMMUNITY, true),
        1 => ("informant", Role::Informant, GRIDS[0], false),
        2 => ("department", Role::Department, TOWN, false),
        _ => ("leader", Role::GridLeader, COMMUNITY, false),
    };
    [
        ("a", Role::GridMember, GRIDS[0], true),
        ("b", Role::GridMember, GRIDS[0], which % 2 == 1),
        ("a", Role::GridMember, GRIDS[0], true),
        ("c", Role::GridMember, GRIDS[1], true),
        last,
    ]
}

/// A town ready to be copied.
pub struct Template {
    folder: tempfile::TempDir,
    /// Whose each handheld is.
    pub owners: Vec<User>,
    /// Somebody at the centre.
    pub staff: User,
    /// Somebody at the centre of the other town, if there is one; else the same.
    pub theirs: User,
}

/// Where databases are quick: the disk is not what is tested here.
pub fn scratch() -> Result<tempfile::TempDir> {
    let memory = FilePath::new("/dev/shm");
    Ok(if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? })
}

/// Copies a folder with all below it, and the database it names.
pub fn copy(from: &FilePath, to: &FilePath) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    copy_database(from, to).map(drop)
}

impl Template {
    /// One of the [`TEMPLATES`]; its server on SQLite, or on the cluster with this socket.
    pub fn get(which: usize, towns: bool, postgres: Option<&'static FilePath>) -> Result<Arc<Self>> {
        static MADE: Mutex<[Option<Arc<Template>>; 4 * TEMPLATES]> = Mutex::new([const { None }; 4 * TEMPLATES]);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever comes first makes it: it may not depend on who that is.
        let which = which % TEMPLATES;
        let place = which + if postgres.is_some() { TEMPLATES } else { 0 } + if towns { 2 * TEMPLATES } else { 0 };
        let place = made.get_mut(place).context("a template")?;
        if let Some(there) = place {
            return Ok(Arc::clone(there));
        }
        let new = Arc::new(Self::make(which, towns, postgres)?);
        *place = Some(Arc::clone(&new));
        Ok(new)
    }

    /// The folder of the server.
    pub fn server(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// The folder of a handheld.
    pub fn hand(&self, place: usize) -> PathBuf {
        self.folder.path().join(format!("hand-{place}"))
    }

    fn make(which: usize, towns: bool, postgres: Option<&FilePath>) -> Result<Self> {
        let folder = scratch()?;
        let driver = Driver::new()?;
        let time = Time::default();
        let machine = |seed: u64| Machine::new(&time, Shows::Off(0), 0x7e3a + seed + 97 * which as u64, true);
        let server = folder.path().join("server");
        if let Some(socket) = postgres {
            stand_in_at(socket, &server)?;
        }
        let centre = Centre::open(&server, machine(0), Edition::Both, usize::MAX)?;
        let app = centre.app();
        import_areas(app, AREAS.as_bytes())?;
        let add = |login: &str, role, area, cleared| {
            let (login, name) = (login.to_owned(), login.to_owned());
            let scope = match login.as_str() {
                "c" if towns => vec![OTHER_GRID],
                "leader" if towns => vec![area, OTHER],
                _ => vec![area],
            };
            add_user(app, NewUser { login, name, role, scope, cleared, may_unmask: false, password: None })
        };
        let staff = add("staff", Role::CenterStaff, TOWN, true)?;
        let theirs = if towns {
            import_areas(app, OTHER_AREAS.as_bytes())?;
            add("theirs", Role::CenterStaff, OTHER, true)?
        } else {
            staff.clone()
        };
        let mut owners: Vec<User> = Vec::new();
        let network = Network::default();
        for (place, (login, role, area, cleared)) in people(which).into_iter().enumerate() {
            let user = match owners.iter().find(|user| user.login == login) {
                Some(user) => user.clone(),
                None => add(login, role, area, cleared)?,
            };
            let dir = folder.path().join(format!("hand-{place}"));
            let handheld = hand::open(&dir, &machine(1 + place as u64), network.line(place), Edition::Both)?;
            let code = make_code(app, &user)?;
            soundly(&driver, &network, &centre, handheld.enrol("http://127.0.0.1", &code, near::PIN))?
                .map_err(|error| anyhow::anyhow!("enrolling: {}", error.detail))?;
            owners.push(user);
        }
        drop(centre);
        Ok(Self { folder, owners, staff, theirs })
    }
}
