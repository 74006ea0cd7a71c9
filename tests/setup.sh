#!/usr/bin/env bash
# Installs what is missing, and only that, with apt-get. Asks nothing.
#   setup.sh build            C and C++ compiler, perl, make, pkg-config (SQLCipher and its OpenSSL are compiled)
#   setup.sh build window     also WebKitGTK to build against, a screen that nobody sees, keys and a pointer for it
#   setup.sh build android    also Debian's Rust with the sources of the standard library, to type-check for Android
#   setup.sh android-kotlin   a Java for the Kotlin compiler, node, npm and Python's venv to fetch it and what it is checked against
#   setup.sh android-link     Android's resource compiler and its framework's resources
#   setup.sh office           LibreOffice's spreadsheet without a screen
#   setup.sh postgres         PostgreSQL, for the tests of its store
#   setup.sh build peers      also node and npm, and by npm PouchDB, which `make bench-peers` measures
#   setup.sh build browser    also Chromium, its driver, a Chinese font, exiftool, axe-core, acorn and doiuse by npm; the tus clients by npm and pip; moto (S3) by pip
set -euo pipefail

declare -A packages=()
need() { # need <command> <package>
  command -v "$1" >/dev/null 2>&1 || packages["$2"]=1
}

for group in "$@"; do
  case "$group" in
    build)
      need gcc gcc
      # libFuzzer is C++.
      need g++ g++
      need perl perl
      need make make
      need pkg-config pkg-config
      # `cc` alone may stand without the C library's headers.
      [ -e /usr/include/stdio.h ] || packages[libc6-dev]=1
      ;;
    browser)
      command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || packages[chromium]=1
      need chromedriver chromium-driver
      need node nodejs
      need npm npm
      need python3 python3
      python3 -c 'import ensurepip' >/dev/null 2>&1 || packages[python3-venv]=1
      need exiftool libimage-exiftool-perl
      [ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || packages[fonts-noto-cjk]=1
      ;;
    window)
      for file in webkit2gtk-4.1:libwebkit2gtk-4.1-dev gtk+-3.0:libgtk-3-dev librsvg-2.0:librsvg2-dev; do
        pkg-config --exists "${file%%:*}" 2>/dev/null || packages["${file##*:}"]=1
      done
      [ -e /usr/include/xdo.h ] || packages[libxdo-dev]=1
      need Xvfb xvfb
      need xdotool xdotool
      [ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || packages[fonts-noto-cjk]=1
      ;;
    android)
      need /usr/bin/cargo cargo-web
      need /usr/bin/rustc rustc-web
      [ -e /usr/lib/rustlib/src/rust/library/std/Cargo.toml ] || packages[rust-web-src]=1
      ;;
    android-kotlin)
      need java openjdk-17-jre-headless
      need node nodejs
      need npm npm
      need python3 python3
      python3 -c 'import ensurepip' >/dev/null 2>&1 || packages[python3-venv]=1
      ;;
    android-link)
      need aapt2 aapt
      [ -e /usr/share/android-framework-res/framework-res.apk ] || packages[android-framework-res]=1
      ;;
    office)
      need soffice libreoffice-calc-nogui
      ;;
    postgres)
      compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || packages[postgresql]=1
      ;;
    peers)
      need node nodejs
      need npm npm
      ;;
    *)
      echo "setup.sh: unknown group '$group' (build, android, android-kotlin, android-link, browser, office, peers, postgres, window)" >&2
      exit 2
      ;;
  esac
done

if ! command -v cargo >/dev/null 2>&1; then
  echo "setup: cargo is missing. Install Rust from https://rustup.rs (rust-toolchain.toml names the version)." >&2
  exit 1
fi
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# What the browser tests put into pages; its version and sum stand in the lock file.
axe() {
  [ -e "$here/axe/node_modules/axe-core/axe.min.js" ] && return
  echo "setup: installing axe-core"
  (cd "$here/axe" && npm ci --no-audit --no-fund --silent)
}
# What looks for anything newer than Chromium 80.
chromium80() {
  [ -e "$here/chromium80/node_modules/doiuse/package.json" ] && return
  echo "setup: installing acorn and doiuse"
  (cd "$here/chromium80" && npm ci --no-audit --no-fund --silent)
}
# Programs of others that upload to our server; their versions and sums stand in the lock files.
tus() {
  if [ ! -e "$here/tus/node_modules/tus-js-client/package.json" ]; then
    echo "setup: installing tus-js-client"
    (cd "$here/tus" && npm ci --no-audit --no-fund --silent)
  fi
  python tus tuspy
}
# What is written in Python, with the versions and sums of <folder>/requirements.txt, in a venv of its own.
python() { # python <folder> <name>
  # The copy is made last: a venv that was left half made is made again.
  cmp -s "$here/$1/requirements.txt" "$here/$1/venv/requirements.txt" && return
  echo "setup: installing $2"
  python3 -m venv --clear "$here/$1/venv"
  "$here/$1/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/$1/requirements.txt"
  cp "$here/$1/requirements.txt" "$here/$1/venv/requirements.txt"
}
# What our figures are put beside. Its native parts come ready-made in the package, nothing is run at the installation.
peers() {
  [ -e "$here/../bench-peers/pouchdb/node_modules/express-pouchdb/package.json" ] && return
  echo "setup: installing PouchDB"
  (cd "$here/../bench-peers/pouchdb" && npm ci --ignore-scripts --no-audit --no-fund --silent)
}
clients() {
  case " $* " in
    *" peers "*)
      peers
      ;;
  esac
  case " $* " in
    *" browser "*)
      axe
      chromium80
      tus
      python moto moto
      ;;
  esac
}
if [ ${#packages[@]} -eq 0 ]; then
  clients "$@"
  exit 0
fi

missing="${!packages[*]}"
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: these Debian packages, or what your system calls them, are missing: $missing" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "setup: please install as root, then try again: apt-get install --no-install-recommends $missing" >&2
    exit 1
  fi
fi
echo "setup: installing $missing"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
"${as_root[@]}" apt-get install -y -qq --no-install-recommends $missing
clients "$@"
