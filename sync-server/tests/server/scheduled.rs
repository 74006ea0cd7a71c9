//! Batches that the running server puts into a folder by itself, for another system to fetch.

use std::path::Path;
use std::time::Duration;

use crate::common::batches::*;
use crate::common::desk;
use crate::common::*;
use shared::author::Role;
use sync_server::batch::schedule::{self, Plan, State};
use sync_server::batch::{self, Format};
use sync_server::store::{self, StoreError, User};

fn plan(to: &Path) -> Plan {
    let (to, login) = (to.to_owned(), "platform".to_owned());
    Plan { to, every: Duration::from_secs(86_400), login, formats: vec![Format::Csv], profile: None }
}

fn folders(to: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(to) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".aside");
    names.sort();
    names
}

fn set_active(centre: &Centre, user: &User, active: bool) {
    let user = User { active, ..user.clone() };
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.put_user(&user)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_put_there_once_whole_and_after_a_stop_too() {
    let centre = Centre::open().await;
    let platform = staff(&centre, "platform", false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    desk::resident(&mut hand, "张伟", GRID, &[]).await;
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("platform");
    let plan = plan(&to);

    // By the way of the running server: told twice, done twice.
    let (say, due) = tokio::sync::mpsc::channel(2);
    say.send(()).await.unwrap();
    say.send(()).await.unwrap();
    drop(say);
    schedule::on_schedule(centre.app.clone(), plan.clone(), due).await;
    let first = folders(&to);
    assert_eq!(first.len(), 1, "nothing new makes no second one");
    let folder = to.join(&first[0]);
    let csv = std::fs::read_to_string(folder.join("person.csv")).unwrap();
    assert!(csv.contains("张伟"), "{csv}");
    let looked = batch::verify(&*centre.app.store, &centre.app.data, Some(&first[0]), Some(&folder)).unwrap();
    assert!(looked.iter().all(|batch| batch.found.is_empty()), "{looked:?}");

    // Sealed, and then the server died: it comes with the next one, each in its place.
    desk::resident(&mut hand, "李娜", GRID, &[]).await;
    let died = sealed(take(&centre, &pull_of(&platform, false)).unwrap());
    desk::resident(&mut hand, "王芳", GRID, &[]).await;
    // Half of it may lie aside.
    std::fs::create_dir_all(to.join(".aside").join(&died.manifest.number)).unwrap();
    std::fs::write(to.join(".aside").join(&died.manifest.number).join("person.csv"), "half").unwrap();
    let put = schedule::once(&centre.app, &plan).unwrap();
    assert_eq!(put.len(), 2);
    assert_eq!(put[0], died.manifest.number);
    assert_eq!(folders(&to).len(), 3);
    for (number, name) in put.iter().zip(["李娜", "王芳"]) {
        let csv = std::fs::read_to_string(to.join(number).join("person.csv")).unwrap();
        assert!(csv.contains(name) && csv.lines().count() == 2, "{csv}");
    }
    assert_eq!(std::fs::read_dir(to.join(".aside")).unwrap().count(), 0);
    // Whoever fetched one may take it away: it does not come back.
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(schedule::once(&centre.app, &plan).unwrap(), Vec::<String>::new());
    assert_eq!(folders(&to).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_fails_says_so_at_the_console_and_loses_nothing() {
    let centre = Centre::open().await;
    let platform = staff(&centre, "platform", false, false);
    desk::person(&centre, "staff", Role::CenterStaff, TOWN, false, false);
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let mut hand = centre.enrol(&wei).await;
    desk::resident(&mut hand, "张伟", GRID, &[]).await;
    let desk = desk::Desk::logged_in(&centre, "staff").await;
    assert!(!desk.page("/console").await.contains("定时批次"));

    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("platform");
    let plan = plan(&to);
    drop(schedule::ticks(&centre.app, &plan).unwrap());
    assert!(desk.page("/console").await.contains("定时批次"));
    // A file stands where the folder should be.
    std::fs::write(&to, "x").unwrap();
    schedule::once(&centre.app, &plan).unwrap_err();
    let page = desk.page("/console").await;
    assert!(page.contains("没有做成") && page.contains("文件夹写不进去"), "{page}");
    assert_eq!(batch::list(&*centre.app.store, &platform).unwrap().len(), 0, "nothing was sealed for nobody");
    std::fs::remove_file(&to).unwrap();
    set_active(&centre, &platform, false);
    schedule::once(&centre.app, &plan).unwrap_err();
    assert!(desk.page("/console").await.contains("这个登录名不在了"));
    set_active(&centre, &platform, true);
    let put = schedule::once(&centre.app, &plan).unwrap();
    let page = desk.page("/console").await;
    assert!(page.contains(&format!("最近放好的是 {}", put[0])) && !page.contains("没有做成"), "{page}");
    assert_eq!(State::read(&*centre.app.store).unwrap().failed, None);
}
