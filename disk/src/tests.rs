//! Files as their users see them, with and without a power cut.

use std::path::PathBuf;

use super::*;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    create_dir_all(&folder).unwrap();
    (dir, folder)
}

fn names(folder: &Path) -> Vec<String> {
    list(folder).unwrap().iter().map(|entry| entry.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
    let (_dir, folder) = folder();
    let path = folder.join("settings.json");
    replace(&path, b"one").unwrap();
    replace(&path, b"two").unwrap();
    assert_eq!(read(&path).unwrap(), b"two");
    assert_eq!(names(&folder), ["settings.json"]);
}

#[test]
fn a_key_is_made_once_and_only_for_its_owner() {
    let (_dir, folder) = folder();
    let path = folder.join("server.key");
    create_new(&path, b"secret").unwrap();
    assert_eq!(create_new(&path, b"other").unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(read(&path).unwrap(), b"secret");
    assert_eq!(names(&folder), ["server.key"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn bytes_are_appended_only_where_the_sender_thinks() {
    let (_dir, folder) = folder();
    let path = folder.join("upload");
    File::create(&path, Access::Usual).unwrap();
    append(&path, 0, b"abc").unwrap();
    assert!(matches!(append(&path, 2, b"x"), Err(AppendError::Offset(3))));
    let held = File::edit(&path).unwrap();
    assert!(held.try_lock().unwrap());
    assert!(matches!(append(&path, 3, b"x"), Err(AppendError::Locked)));
    drop(held);
    append(&path, 3, b"def").unwrap();
    truncate(&path, 4).unwrap();
    assert_eq!(read(&path).unwrap(), b"abcd");
}

#[test]
fn folders_go_with_all_that_is_in_them() {
    let (_dir, folder) = folder();
    let deep = folder.join("a/b/c");
    create_private_dir_all(&deep).unwrap();
    replace(&deep.join("file"), b"x").unwrap();
    link_or_copy(&deep.join("file"), &folder.join("second")).unwrap();
    remove_dir_all(&folder.join("a")).unwrap();
    remove_dir_all(&folder.join("a")).unwrap();
    remove(&folder.join("nothing")).unwrap();
    assert_eq!(read(&folder.join("second")).unwrap(), b"x");
    assert!(!exists(&deep).unwrap());
}

#[cfg(unix)]
#[test]
fn what_others_may_do_is_taken_from_them_and_its_owner_keeps_theirs() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, folder) = folder();
    let path = folder.join("town.db");
    replace(&path, b"x").unwrap();
    for (before, after) in [(0o644, 0o600), (0o600, 0o600), (0o440, 0o400), (0o755, 0o700)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        tighten(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, after);
    }
    tighten(&folder.join("nothing")).unwrap();
}

#[cfg(unix)]
#[test]
fn a_folder_that_somebody_holds_is_held_under_its_next_name_too() {
    let (_dir, folder) = folder();
    let (aside, place) = (folder.join("aside"), folder.join("place"));
    create_dir_all(&aside).unwrap();
    let held = hold_dir(&aside).unwrap();
    assert!(held.is_some() && hold_dir(&aside).unwrap().is_none());
    rename(&aside, &place).unwrap();
    assert!(hold_dir(&place).unwrap().is_none());
    assert_eq!(hold_dir(&aside).unwrap_err().kind(), ErrorKind::NotFound);
    drop(held);
    assert!(hold_dir(&place).unwrap().is_some());
}

#[cfg(feature = "faults")]
mod with_faults {
    use super::*;
    use crate::faults::{Fault, Loss, Op, Plan, Watch};

    fn crash_at(at: u64) -> Option<Plan> {
        Some(Plan { fault: Fault::Crash, at, lasts: false })
    }

    #[test]
    fn whatever_is_lost_a_replaced_file_is_old_or_new_and_new_once_it_was_said() {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Some(1), Loss::Some(2), Loss::Some(3)] {
            for at in 1.. {
                let (_dir, folder) = folder();
                let path = folder.join("file");
                replace(&path, &[1; 9000]).unwrap();
                let watch = Watch::over(&folder).unwrap();
                watch.plan(crash_at(at));
                let said = replace(&path, &[2; 12000]);
                let struck = watch.struck();
                watch.lose(loss).unwrap();
                let is = read(&path).unwrap();
                assert!(is == [1; 9000] || is == [2; 12000], "half a file at step {at} after {loss:?}");
                if !struck {
                    said.unwrap();
                    assert_eq!(is, [2; 12000], "{loss:?}");
                    break;
                }
                replace(&path, &[3; 10]).unwrap();
                assert_eq!(names(&folder), ["file"], "what a crash leaves is used again");
            }
        }
    }

    #[test]
    fn a_disk_that_is_full_once_leaves_the_old_file_and_an_error_that_says_so() {
        for at in 1.. {
            let (_dir, folder) = folder();
            let path = folder.join("file");
            replace(&path, b"old").unwrap();
            let watch = Watch::over(&folder).unwrap();
            watch.plan(Some(Plan { fault: Fault::Full, at, lasts: true }));
            let said = replace(&path, b"new");
            if !watch.struck() {
                break;
            }
            assert_eq!(said.unwrap_err().kind(), ErrorKind::StorageFull);
            watch.plan(None);
            assert_eq!(read(&path).unwrap(), b"old");
            assert_eq!(names(&folder), ["file"]);
        }
    }

    #[test]
    fn a_power_cut_takes_bytes_and_names_that_were_not_brought_home() {
        let (_dir, folder) = folder();
        let (kept, gone, moved) = (folder.join("kept"), folder.join("gone"), folder.join("moved"));
        replace(&kept, b"0123456789").unwrap();
        replace(&gone, b"back again").unwrap();
        create_dir_all(&moved).unwrap();
        replace(&moved.join("inside"), b"x").unwrap();
        let watch = Watch::over(&folder).unwrap();
        let mut file = File::edit(&kept).unwrap();
        file.write_all(b"changed bytes and more of them").unwrap();
        drop(file);
        remove(&gone).unwrap();
        step::rename(&moved, &folder.join("elsewhere")).unwrap();
        File::create(&folder.join("new"), Access::Usual).unwrap().sync().unwrap();
        step::make_dir(&folder.join("folder"), Access::Usual).unwrap();
        replace(&folder.join("folder/file"), b"in a folder that is not there").unwrap();
        watch.crash();
        assert!(read(&kept).is_err(), "nothing works after a crash");
        watch.lose(Loss::Unsynced).unwrap();
        assert_eq!(read(&kept).unwrap(), b"0123456789");
        assert_eq!(read(&gone).unwrap(), b"back again");
        assert_eq!(read(&moved.join("inside")).unwrap(), b"x");
        assert_eq!(names(&folder), ["gone", "kept", "moved"]);
    }

    #[test]
    fn what_a_failed_sync_gave_up_is_lost_although_the_next_one_succeeds() {
        let (_dir, folder) = folder();
        let path = folder.join("file");
        replace(&path, b"first").unwrap();
        let watch = Watch::over(&folder).unwrap();
        let mut file = File::edit(&path).unwrap();
        file.write_all(b"other").unwrap();
        // The steps: open, write, sync.
        watch.plan(Some(Plan { fault: Fault::Io, at: 1, lasts: false }));
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(watch.counts().get(&Op::Sync), Some(&2));
        watch.lose(Loss::Unsynced).unwrap();
        assert_eq!(read(&path).unwrap(), b"first");
        file.seek_to(0).unwrap();
        file.write_all(b"again").unwrap();
        file.sync().unwrap();
        watch.lose(Loss::Unsynced).unwrap();
        assert_eq!(read(&path).unwrap(), b"again", "written again it is brought home");
    }

    #[test]
    fn a_folder_whose_name_failed_to_reach_the_disk_is_brought_there_by_the_next_who_wants_it() {
        for at in 1.. {
            let (_dir, folder) = folder();
            let watch = Watch::over(&folder).unwrap();
            watch.plan(Some(Plan { fault: Fault::Io, at, lasts: false }));
            let first = create_dir_all(&folder.join("a/b"));
            let struck = watch.struck();
            assert_eq!(first.is_err(), struck);
            watch.plan(None);
            create_dir_all(&folder.join("a/b")).unwrap();
            replace(&folder.join("a/b/file"), b"x").unwrap();
            watch.lose(Loss::Unsynced).unwrap();
            assert_eq!(read(&folder.join("a/b/file")).unwrap(), b"x", "step {at}");
            if !struck {
                break;
            }
        }
    }

    #[test]
    fn folders_that_nobody_watches_are_left_alone() {
        let (_dir, folder) = folder();
        let (_other_dir, other) = self::folder();
        let watch = Watch::over(&other).unwrap();
        watch.crash();
        replace(&folder.join("file"), b"x").unwrap();
        assert!(replace(&other.join("file"), b"x").is_err());
    }
}
