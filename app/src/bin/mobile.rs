//! The handheld on Android; built by `dx`, see docs/android.md.

use std::sync::Arc;

use anyhow::Context;
use app::handheld::{Handheld, Message};
use app::system::System;
use app::ui::App;
use app::ui::shell::{self, Closed, Unopened};
use assets::messages::Lang;
use dioxus::LaunchBuilder;
use dioxus::mobile::Config;

#[cfg(target_os = "android")]
fn open() -> Result<Handheld, Message> {
    let unknown = |error: app::platform::JavaError| {
        tracing::error!(%error, "this Android does not answer");
        Message::of("android-does-not-answer").with("why", error)
    };
    let android = app::platform::Android::of_this_process().map_err(unknown)?;
    let (data, services) = (android.folder().map_err(unknown)?, android.services().map_err(unknown)?);
    Handheld::open(&data, services, Arc::new(System)).map_err(|error| {
        tracing::error!(%error, "the handheld could not be opened");
        error.message()
    })
}

#[cfg(not(target_os = "android"))]
fn open() -> Result<Handheld, Message> {
    // On a desk it is called desktop or preview; this is compiled there to see that it does.
    let data = std::env::temp_dir().join("grid-handheld");
    Handheld::open(&data, app::platform::Services::files(&data), Arc::new(System)).map_err(|error| error.message())
}

fn main() -> anyhow::Result<()> {
    // The window takes the runtime it is launched in; the sync has to run in one from before the first screen.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let _entered = runtime.enter();
    let window = |lang| Config::new().with_custom_head(shell::head(lang));
    match open() {
        Ok(handheld) => {
            handheld.start();
            let lang = Lang::from_tag(&handheld.settings().language);
            LaunchBuilder::mobile().with_cfg(window(lang)).with_context(handheld).launch(App);
        }
        // Ending here would leave an empty window.
        Err(why) => LaunchBuilder::mobile().with_cfg(window(Lang::Zh)).with_context(Unopened(why)).launch(Closed),
    }
    Ok(())
}
