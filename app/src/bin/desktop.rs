//! The handheld in a window of its own.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use app::handheld::Handheld;
use app::platform::Services;
use app::system::System;
use app::ui::{App, shell};
use assets::messages::Lang;
use dioxus::LaunchBuilder;

fn main() -> anyhow::Result<()> {
    // The first argument names the folder; without one it lies beside other data of this account.
    let data = std::env::args_os().nth(1).map(PathBuf::from).or_else(folder).context("no folder for the data")?;
    let handheld = Handheld::open(&data, Services::files(&data), Arc::new(System))
        .with_context(|| format!("open the handheld in {}", data.display()))?;
    // The window takes the runtime it is launched in; the sync has to run in one from before the first screen.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let _entered = runtime.enter();
    handheld.start();
    let head = shell::head(Lang::from_tag(&handheld.settings().language));
    let window = dioxus::desktop::Config::new().with_custom_head(head);
    LaunchBuilder::desktop().with_cfg(window).with_context(handheld).launch(App);
    Ok(())
}

fn folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")))?;
    Some(base.join("grid-handheld"))
}
