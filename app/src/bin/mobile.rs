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
    LaunchBuilder::mobile().with_context(handheld).launch(App);
    Ok(())
}
