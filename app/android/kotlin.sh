#!/usr/bin/env bash
# Has the Kotlin sources checked by the compiler that dx's project names, together with the window's own (wry), against outlines of
# Android's and AndroidX's classes. It proves that they compile as far as the outlines are right; nothing of Gradle or of a device.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
work="$root/target/kotlin"
check="$here/kotlin_check"
mkdir -p "$work"
if ! cmp -s "$check/package-lock.json" "$work/package-lock.json"; then
  cp "$check/package.json" "$work/"
  (cd "$work" && cp "$check/package-lock.json" . && npm ci --no-audit --no-fund --silent --ignore-scripts)
fi
if ! cmp -s "$check/requirements.txt" "$work/outlined/requirements.txt"; then
  rm -rf "$work/wheels" "$work/stubs" "$work/outlines" "$work/outlined"
  python3 -m venv --clear "$work/venv"
  "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$work/wheels" \
    -r "$check/requirements.txt"
  for wheel in "$work"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$work/stubs"; done
  python3 "$check/stubs.py" "$work/stubs" "$work/outlines"
  mkdir "$work/outlined"
  cp "$check/requirements.txt" "$work/outlined/"
fi

# What the window's own classes are called by, and what Gradle makes of the resources and the version.
wry="$(cd "$root" && cargo metadata --locked --format-version 1 --manifest-path app/Cargo.toml --features mobile |
  python3 -c 'import json, sys
print(next(one["manifest_path"] for one in json.load(sys.stdin)["packages"] if one["name"] == "wry"))')"
rm -rf "$work/sources"
mkdir -p "$work/sources"
for file in "$(dirname "$wry")"/src/android/kotlin/*.kt; do
  sed -e 's/{{package}}/dev.dioxus.main/; s/{{library}}/main/; s/{{class-extension}}//; s/{{class-init}}//' "$file" \
    >"$work/sources/$(basename "$file")"
done
{
  echo 'package grid.handheld'
  echo 'object BuildConfig { const val DEBUG = false; const val APPLICATION_ID = "grid.handheld" }'
  echo 'object R {'
  grep -rhoE '\bR\.[a-z]+\.[a-z_]+' "$here/kotlin" | sort -u | awk -F. '
    $2 != kind { if (kind) print "  }"; kind = $2; print "  object " kind " {" }
    { print "    const val " $3 " = 1" } END { print "  }" }'
  echo '}'
} >"$work/sources/Made.kt"

java -Xmx1g -cp "$work/node_modules/kotlin-compiler/lib/kotlin-compiler.jar" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler \
  -kotlin-home "$work/node_modules/kotlin-compiler" -jvm-target 17 -nowarn -no-reflect \
  -d "$work/classes" "$here/kotlin" "$work/sources" "$work/outlines"
echo "kotlin: $(find "$here/kotlin" -name '*.kt' | wc -l) files of ours compile beside $(find "$work/sources" -name '*.kt' | wc -l) of the window's"
