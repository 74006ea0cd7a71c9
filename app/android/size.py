#!/usr/bin/env python3
"""What a program's stripped code is made of, by crate, as its symbols tell (size.py target/release/preview).

What serves the preview and does not ship is counted apart. A generic is counted where its code was written, as cargo-bloat does
it, whoever asked for it; C is told apart by how each library begins its names."""

import collections
import os
import re
import subprocess
import sys
import tempfile

# Of the preview alone: its web server, its command line, its log.
PREVIEW = {"axum", "axum_core", "clap", "clap_builder", "dioxus_liveview", "tracing_subscriber", "tungstenite", "tokio_tungstenite",
           "matchit", "regex_automata", "regex_syntax", "matchers", "anstream", "anstyle", "strsim", "tower", "tower_layer",
           "sharded_slab", "nu_ansi_term", "preview", "multer", "serde_urlencoded", "serde_path_to_error"}
C = [("SQLite", r"sqlite3|fts5|sqlcipher|jsonb?[A-Z]|rtree|btree|pager|vdbe|pcache|unix[A-Z]|wal[A-Z]|yy|where[A-Z]"),
     ("zstd", r"ZSTD|HUF|FSE|HIST|ZDICT|COVER|FASTCOVER|XXH|POOL|ERR_getErrorString|divsufsort"),
     ("ring", r"ring_core|GFp")]


def crate(name):
    """Of `<alloc::vec::Vec<T> as core::fmt::Debug>::fmt`: alloc."""
    if "::" in name:
        found = re.search(r"[A-Za-z_][A-Za-z0-9_]*(?=(\[[0-9a-f]+\])?::)", name)
        return found.group(0) if found else "?"
    return next((library for library, begins in C if re.match(begins, name)), "OpenSSL and other C")


def main(binary):
    with tempfile.NamedTemporaryFile() as small:
        subprocess.run(["strip", "-o", small.name, binary], check=True)
        stripped = os.path.getsize(small.name)
    listed = subprocess.run(["nm", "--print-size", "--demangle", "--defined-only", binary], check=True, capture_output=True, text=True)
    code, data = collections.Counter(), collections.Counter()
    for line in listed.stdout.splitlines():
        parts = line.split(maxsplit=3)
        if len(parts) == 4 and len(parts[1]) == 16:
            (code if parts[2] in "tTwW" else data)[crate(parts[3])] += int(parts[1], 16)
    apart = sum(size for name, size in (code + data).items() if name in PREVIEW)
    print(f"{binary}: {stripped / 1e6:.1f} MB stripped; of it code with a name {sum(code.values()) / 1e6:.1f} MB")
    print(f"of the preview alone, not shipped: {apart / 1e6:.1f} MB\n\n| crate | code, kB | data with a name, kB |\n| --- | --- | --- |")
    for name, size in (code + data).most_common():
        if size >= 100_000 and name not in PREVIEW:
            print(f"| {name} | {code[name] / 1e3:.0f} | {data[name] / 1e3:.0f} |")


main(*sys.argv[1:])
