#!/usr/bin/env bash
# Fuzzes every target for SECONDS_EACH seconds (or only the named ones), from the kept inputs, on stable Rust.
#   fuzz/run.sh 5            five seconds each
#   fuzz/run.sh 3600 sync    an hour of one
# New inputs that reach new code are kept in fuzz/corpus/<target>; what breaks something is written to fuzz/found/.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:?seconds for each target}
shift
export RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrumented.sh"
cargo build --locked --workspace --features fuzz/fuzzing,app/preview,shared/mutants,disk/faults --bin fuzz
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^    ("\([a-z]*\)", .*/\1/p' fuzz/src/lib.rs)
mkdir -p fuzz/found
failed=0
for target in "${targets[@]}"; do
  # What is found in a short run is not kept: the tree stays as it was. KEEP=1 writes to the kept inputs.
  fresh=$(mktemp -d)
  [ "${KEEP:-0}" = 1 ] && fresh="fuzz/corpus/$target" && mkdir -p "$fresh"
  mkdir -p "fuzz/corpus/$target"
  if FUZZ_TARGET="$target" RUST_BACKTRACE=0 target/debug/fuzz -max_total_time="$each" -timeout=10 -rss_limit_mb=3000 \
    -max_len=65536 -artifact_prefix="fuzz/found/$target-" -print_final_stats=1 -verbosity=0 \
    "$fresh" "fuzz/corpus/$target" > "fuzz/found/$target.log" 2>&1; then
    printf '%-8s %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: /runs: /p' "fuzz/found/$target.log")"
    rm -f "fuzz/found/$target.log"
  else
    failed=1
    echo "$target: FOUND, see fuzz/found/$target.log" >&2
    grep -E "panicked|ERROR|Test unit written" -A3 "fuzz/found/$target.log" | head -20 >&2
  fi
  case $fresh in /tmp/*) rm -rf "$fresh" ;; esac
done
exit $failed
