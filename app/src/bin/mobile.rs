//! The handheld on Android; built by `dx`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use app::handheld::Handheld;
use app::platform::Services;
use app::system::System;
use app::ui::App;
use dioxus::LaunchBuilder;

fn main() -> anyhow::Result<()> {
    // Android gives an app its own folder as the home of its process; asking the system for it comes with the key
    // store of the platform.
    let data = PathBuf::from(std::env::var_os("HOME").context("no folder for the data")?).join("handheld");
    let handheld = Handheld::open(&data, Services::files(&data), Arc::new(System)).context("open the handheld")?;
    // The window takes the runtime it is launched in; the sync has to run in one from before the first screen.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let _entered = runtime.enter();
    handheld.start();
    LaunchBuilder::mobile().with_context(handheld).launch(App);
    Ok(())
}
