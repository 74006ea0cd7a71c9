//! libFuzzer around [`fuzz::target`]. One program; `FUZZ_TARGET` in the environment names which reader gets the bytes, so
//! that there is one thing to build and link.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    fuzz::TARGETS.iter().find(|(known, _)| *known == name).map_or_else(
        || {
            // libFuzzer has no other way to refuse its arguments.
            tell_and_end(&name)
        },
        |(_, target)| *target,
    )
});

#[allow(clippy::print_stderr, reason = "whoever started it reads this")]
fn tell_and_end(name: &str) -> fuzz::Target {
    let names: Vec<&str> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    eprintln!("FUZZ_TARGET is '{name}'; it has to be one of {}", names.join(", "));
    std::process::exit(2)
}

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
