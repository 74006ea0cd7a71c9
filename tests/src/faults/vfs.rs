//! The patch of SQLite's default file system.
//!
//! `unsafe` stands here because SQLite's file system is a table of C functions. What makes it sound: the table is
//! exchanged once, before it is used by a watched file; our functions hand the very same arguments to the functions
//! that stood there; `file` and `vfs` are SQLite's own, valid during the call; and what we keep about a file is found
//! by its address between `xOpen` and `xClose`, the time in which SQLite keeps that address.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, reason = "only tests call this; there is nobody to tell")]

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use disk::faults::{self, Fault, Op};
use rusqlite::ffi;

type Methods = ffi::sqlite3_io_methods;

/// What stood in the file system before.
struct Before {
    open:
        unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, *mut ffi::sqlite3_file, c_int, *mut c_int) -> c_int,
    delete: unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, c_int) -> c_int,
    access: unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, c_int, *mut c_int) -> c_int,
    sleep: unsafe extern "C" fn(*mut ffi::sqlite3_vfs, c_int) -> c_int,
}

/// An open file that is watched.
struct Open {
    path: PathBuf,
    methods: &'static Methods,
    /// The folder is synced with the file's first sync, as SQLite does for logs and journals.
    folder_too: AtomicBool,
}

static BEFORE: OnceLock<Before> = OnceLock::new();
static OPEN: RwLock<BTreeMap<usize, Arc<Open>>> = RwLock::new(BTreeMap::new());
/// The patched copy of each table of methods, by the address of the original.
static TABLES: Mutex<BTreeMap<usize, &'static Methods>> = Mutex::new(BTreeMap::new());
static NEVER_WAIT: AtomicBool = AtomicBool::new(false);

/// Patches the default file system, once. Files that nobody watches go through unchanged.
pub fn install() {
    // SAFETY: `sqlite3_vfs_find` initialises SQLite and gives its default file system, which lives as long as the
    // process and is SQLite's own variable, not a constant. Only this initialiser writes to it, once; on the platforms
    // we run on a function pointer is read whole by whoever opens a file meanwhile, and old and new both work.
    BEFORE.get_or_init(|| unsafe {
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        let vfs = vfs.as_mut().expect("SQLite has a file system");
        let before = Before {
            open: vfs.xOpen.expect("it opens"),
            delete: vfs.xDelete.expect("it deletes"),
            access: vfs.xAccess.expect("it looks"),
            sleep: vfs.xSleep.expect("it sleeps"),
        };
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xSleep = Some(sleep);
        before
    });
}

/// SQLite waits for locks by sleeping; with this it counts the time and does not spend it.
pub fn never_wait(never: bool) {
    NEVER_WAIT.store(never, Ordering::SeqCst);
}

fn before() -> &'static Before {
    BEFORE.get().expect("our functions stand in the table only after this was set")
}

fn of(file: *mut ffi::sqlite3_file) -> Arc<Open> {
    let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(open.get(&(file as usize)).expect("only files that were opened here have our methods"))
}

/// SAFETY: `name` is null or ends with a zero byte.
unsafe fn watched(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    let name = unsafe { CStr::from_ptr(name) };
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    faults::is_watched(path).then(|| path.to_owned())
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let Some(path) = (unsafe { watched(name) }) else {
        return unsafe { (before().open)(vfs, name, file, flags, out) };
    };
    let creates = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let op = if creates && !path.exists() { Op::Create } else { Op::Look };
    let allowed = faults::ask(op, &path).is_ok() && (op == Op::Look || faults::creating(&path).is_ok());
    if !allowed {
        // No methods: SQLite does not close what did not open.
        unsafe { (*file).pMethods = std::ptr::null() };
        return ffi::SQLITE_CANTOPEN;
    }
    let code = unsafe { (before().open)(vfs, name, file, flags, out) };
    let methods: Option<&'static Methods> = unsafe { (*file).pMethods.as_ref() };
    if code == ffi::SQLITE_OK
        && let Some(methods) = methods
    {
        let logs = ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;
        let folder_too = AtomicBool::new(creates && flags & logs != 0);
        let opened = Arc::new(Open { path, methods, folder_too });
        OPEN.write().unwrap_or_else(PoisonError::into_inner).insert(file as usize, opened);
        unsafe { (*file).pMethods = patched(methods) };
    }
    code
}

fn patched(methods: &'static Methods) -> &'static Methods {
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    tables.entry(std::ptr::from_ref(methods) as usize).or_insert_with(|| {
        Box::leak(Box::new(Methods {
            xClose: Some(close),
            xRead: Some(read),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            xLock: Some(lock),
            xShmMap: methods.xShmMap.map(|_| shm_map as _),
            xShmLock: methods.xShmLock.map(|_| shm_lock as _),
            ..*methods
        }))
    })
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let Some(path) = (unsafe { watched(name) }) else {
        return unsafe { (before().delete)(vfs, name, sync_folder) };
    };
    if faults::ask(Op::Remove, &path).is_err() || faults::removing(&path).is_err() {
        return ffi::SQLITE_IOERR_DELETE;
    }
    let really = if faults::flushes(&path) { sync_folder } else { 0 };
    let code = unsafe { (before().delete)(vfs, name, really) };
    if code == ffi::SQLITE_OK
        && sync_folder != 0
        && let Some(folder) = path.parent()
    {
        if faults::ask(Op::SyncDir, folder).is_err() {
            return ffi::SQLITE_IOERR_DIR_FSYNC;
        }
        faults::synced_dir(folder);
    }
    code
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    if let Some(path) = unsafe { watched(name) }
        && faults::ask(Op::Look, &path).is_err()
    {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    unsafe { (before().access)(vfs, name, flags, out) }
}

unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    if NEVER_WAIT.load(Ordering::SeqCst) {
        return microseconds;
    }
    unsafe { (before().sleep)(vfs, microseconds) }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let open = of(file);
    OPEN.write().unwrap_or_else(PoisonError::into_inner).remove(&(file as usize));
    match open.methods.xClose {
        Some(close) => unsafe { close(file) },
        None => ffi::SQLITE_OK,
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, amount: c_int, at: i64) -> c_int {
    let open = of(file);
    let asked = faults::ask(Op::Read, &open.path);
    let Some(read) = open.methods.xRead.filter(|_| matches!(asked, Ok(()) | Err(Fault::Short))) else {
        return ffi::SQLITE_IOERR_READ;
    };
    let code = unsafe { read(file, to, amount, at) };
    if asked.is_err() && is_plain(&open.path) {
        return ffi::SQLITE_IOERR_READ;
    }
    if asked.is_err() && code == ffi::SQLITE_OK {
        // The file ends in the middle: SQLite wants zeros where nothing was read.
        let amount = usize::try_from(amount).unwrap_or_default();
        let half = amount / 2;
        // SAFETY: SQLite gave room for `amount` bytes.
        unsafe { to.cast::<u8>().add(half).write_bytes(0, amount - half) };
        return ffi::SQLITE_IOERR_SHORT_READ;
    }
    code
}

/// Whether a database is not encrypted. Zeros in the middle of a page are then taken for data: SQLite keeps no checksums
/// of pages, and a file that really ends there is none it could tell from its own. There a short read is an error; in an
/// encrypted one it is the zeros that SQLCipher has to notice.
fn is_plain(path: &Path) -> bool {
    use std::io::Read;
    let name = path.to_string_lossy();
    let database = name.strip_suffix("-wal").or_else(|| name.strip_suffix("-journal")).unwrap_or(&name);
    let mut magic = [0; 16];
    let read = std::fs::File::open(database).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"SQLite format 3\0"
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, amount: c_int, at: i64) -> c_int {
    let open = of(file);
    let asked = faults::ask(Op::Write, &open.path);
    // A disk that fills up takes a beginning.
    let part = match asked {
        Ok(()) => amount,
        Err(Fault::Full) => amount / 2,
        Err(_) => return ffi::SQLITE_IOERR_WRITE,
    };
    let noted = faults::writing(&open.path, at.cast_unsigned(), usize::try_from(part).unwrap_or_default());
    let (Some(write), Ok(())) = (open.methods.xWrite, noted) else { return ffi::SQLITE_IOERR_WRITE };
    let code = unsafe { write(file, from, part, at) };
    if asked.is_err() { ffi::SQLITE_FULL } else { code }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let open = of(file);
    let noted = match faults::ask(Op::Truncate, &open.path) {
        Ok(()) => faults::cutting(&open.path, length.cast_unsigned()),
        Err(fault) => Err(fault.error()),
    };
    match (open.methods.xTruncate, noted) {
        (Some(truncate), Ok(())) => unsafe { truncate(file, length) },
        _ => ffi::SQLITE_IOERR_TRUNCATE,
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let open = of(file);
    if faults::ask(Op::Sync, &open.path).is_err() {
        // What was to be brought home stays to be brought home by the next sync. That Linux takes it for clean after a
        // failed one is more than SQLite itself can stand: it reads its log back from the system's memory.
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if let Some(sync) = open.methods.xSync.filter(|_| faults::flushes(&open.path)) {
        let code = unsafe { sync(file, flags) };
        if code != ffi::SQLITE_OK {
            return code;
        }
    }
    faults::synced(&open.path);
    if open.folder_too.swap(false, Ordering::SeqCst)
        && let Some(folder) = open.path.parent()
    {
        match faults::ask(Op::SyncDir, folder) {
            Ok(()) => faults::synced_dir(folder),
            // Nobody is there any more to be told that it went well.
            Err(Fault::Crash) => return ffi::SQLITE_IOERR_FSYNC,
            // SQLite does not look whether this succeeded.
            Err(_) => {}
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let open = of(file);
    match (faults::ask(Op::Lock, &open.path), open.methods.xLock) {
        (Ok(()), Some(lock)) => unsafe { lock(file, level) },
        (Err(Fault::Busy), _) => ffi::SQLITE_BUSY,
        _ => ffi::SQLITE_IOERR_LOCK,
    }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    let open = of(file);
    let Some(lock) = open.methods.xShmLock else { return ffi::SQLITE_IOERR_SHMLOCK };
    if flags & ffi::SQLITE_SHM_LOCK == 0 {
        return unsafe { lock(file, offset, n, flags) };
    }
    match faults::ask(Op::Lock, &open.path) {
        Ok(()) => unsafe { lock(file, offset, n, flags) },
        Err(Fault::Busy) => ffi::SQLITE_BUSY,
        Err(_) => ffi::SQLITE_IOERR_SHMLOCK,
    }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let open = of(file);
    let Some(map) = open.methods.xShmMap else { return ffi::SQLITE_IOERR_SHMMAP };
    match faults::ask(Op::Map, &open.path) {
        Ok(()) => unsafe { map(file, region, size, extend, out) },
        Err(Fault::Full) => ffi::SQLITE_IOERR_SHMSIZE,
        Err(_) => ffi::SQLITE_IOERR_SHMMAP,
    }
}
