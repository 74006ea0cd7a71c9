#!/usr/bin/env bash
# Fuzzes every target for SECONDS_EACH seconds (or only the named ones), from the kept inputs, on stable Rust.
#   fuzz/run.sh 5                 five seconds each
#   KEEP=1 fuzz/run.sh 3600 sync  an hour of one; what reached new code is kept
# Kept are fuzz/corpus/<target>/, written by hand, and fuzz/corpus/<target>.tar.gz, the smallest set of found inputs that
# reaches all that was reached. What breaks something is written to fuzz/found/; its input then belongs into
# fuzz/corpus/<target>/ with a name that says what it broke.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:?seconds for each target}
shift
export RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrumented.sh"
cargo build --locked --workspace --features fuzz/fuzzing,app/preview,shared/mutants,disk/faults --bin fuzz
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^    ("\([a-z]*\)", .*/\1/p' fuzz/src/lib.rs)
mkdir -p fuzz/found
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for target in "${targets[@]}"; do
  mkdir -p "$work/$target" "$work/least"
  [ -e "fuzz/corpus/$target.tar.gz" ] && tar -C "$work/$target" -xzf "fuzz/corpus/$target.tar.gz"
  export FUZZ_TARGET=$target
  log="fuzz/found/$target.log"
  if RUST_BACKTRACE=0 target/debug/fuzz -max_total_time="$each" -timeout=10 -rss_limit_mb=3000 -max_len=65536 \
    -artifact_prefix="fuzz/found/$target-" -print_final_stats=1 "$work/$target" "fuzz/corpus/$target" > "$log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
      "$(grep -o 'cov: [0-9]*' "$log" | tail -1)"
    rm -f "$log"
  else
    failed=1
    echo "$target: FOUND, see $log" >&2
    grep -E "panicked|ERROR|Test unit written" -A3 "$log" | head -20 >&2
  fi
  if [ "${KEEP:-0}" = 1 ]; then
    rm -rf "$work/least" && mkdir "$work/least"
    target/debug/fuzz -set_cover_merge=1 "$work/least" "fuzz/corpus/$target" "$work/$target" > /dev/null 2>&1
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/least" -cf - . | gzip -9n \
      > "fuzz/corpus/$target.tar.gz"
  fi
done
exit $failed
