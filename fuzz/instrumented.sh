#!/usr/bin/env bash
# A compiler for our own crates that adds libFuzzer's coverage counters. Dependencies are compiled as always, so the
# target folder is filled once. These options are LLVM's, reached by stable Rust's -Cpasses and -Cllvm-args.
set -euo pipefail
rustc=$1
shift
case " $* " in
  *" --crate-name build_script_build "*|*" --crate-type proc-macro "*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing
