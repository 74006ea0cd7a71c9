#!/usr/bin/env bash
# Type-checks the app for the processors of Android, without its SDK or NDK: Debian's own Rust brings the sources of the standard
# library along. It proves that the Rust side compiles; nothing of linking, of C, of Kotlin, of Gradle or of a device.
#   check.sh                       both processors
#   check.sh aarch64-linux-android one of them
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(aarch64-linux-android armv7-linux-androideabi)

arguments=()
for target in "${targets[@]}"; do
  arguments+=(--target "$target")
  name="${target//-/_}"
  export "CC_$name=$here/nothing-cc" "CXX_$name=$here/nothing-cc" "AR_$name=$here/nothing-cc" "RANLIB_$name=true"
done
# Not rustup's: its releases do not build the standard library, and the file that names the version does not bind Debian's.
export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="$PWD/target/android" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0
exec /usr/bin/cargo check --locked -Zbuild-std=std,panic_abort "${arguments[@]}" -p app --features mobile --bin mobile
