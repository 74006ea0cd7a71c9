# Every target asks nothing. `make demo` and `make test` work from a fresh clone on Debian or Ubuntu.
#
# One selection of packages and features everywhere: with another one cargo would compile the dependencies a second
# time. The demo and the tests use the dev profile for the same reason: the crates that crunch bytes are optimised in
# it (Cargo.toml), and a cold build takes half the time of a release build.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# With what the tests switch on at run time: planted mistakes and failing files, all off by themselves and refused by a
# release build, which is made of RELEASE.
SELECT := --locked --workspace --features app/preview,shared/mutants,disk/faults
RELEASE := --locked --workspace --no-default-features --features app/preview --release
DEMO_DIR ?= ./demo-data
# nextest where it stands, cargo's own runner otherwise.
RUN_TESTS := $(if $(shell command -v cargo-nextest),nextest run,test --no-fail-fast)

# Stories that are not told to PostgreSQL: of backups and of what is restored from them (there it makes its own); of the file itself,
# its rights, room and older schemas; of what was altered in it behind the program's back; of a batch or manifest beside an older file.
# And of LibreOffice, which `make test-office` asks.
ON_FILES := keep:: a_backup_leaves restored_server restored_backup neither_a_backup a_centre_put_back erasing_restoring \
	folder:: the_database_itself by_the_towns_own_file the_page_says_whether_it_fits a_full_disk a_server_brought_up \
	an_entry_that_was entries_that_were what_was_rewritten one_altered_value nobody_begins_a_record recount what_lists_show \
	a_batch_sealed_by_an_older a_manifest_that_was_altered office::

.PHONY: android-check android-target android-kotlin android-link android-size apk minute test-postgres processes load chromium80 help setup setup-browser build demo demo-codes demo-reset test lint unit bench bench-peers pictures simulate simulate-postgres crashes crashes-postgres hostile import-72000 bad-line test-window test-office test-api fuzz fuzz-minute deny

help: ## What there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Installs what building needs, only what is missing
	@tests/setup.sh build

setup-browser: ## Installs what the browser tests need too, only what is missing
	@tests/setup.sh build browser

build: setup ## Builds every program (dev profile)
	$(CARGO) build $(SELECT) --bins

demo: build ## A fictional township, the server and two handhelds in the browser; Ctrl-C stops all
	target/debug/demo --dir '$(DEMO_DIR)'

demo-codes: build ## Says which six digits the demo's log-ins need at this moment
	@target/debug/demo --codes

demo-reset: build ## The same from the start: deletes the folder of the demo first
	target/debug/demo --dir '$(DEMO_DIR)' --reset

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(SELECT) --all-targets -- -D warnings

unit: setup
	@tests/setup.sh postgres
	$(CARGO) build $(SELECT) --bins --tests
	$(CARGO) $(RUN_TESTS) $(SELECT)

chromium80: setup-browser ## Whether scripts and styles of the pages use anything newer than Chromium 80
	node tests/chromium80/check.mjs assets/styles/*.css $$(git ls-files '*.js' ':!tests')

android-check: setup ## The app's half of what is called on Android, compiled on this machine
	$(CARGO) clippy $(SELECT),app/android-check --lib -- -D warnings

android-target: ## The app type-checked for both processors of Android (Debian's own Rust; a few minutes the first time)
	@tests/setup.sh build android
	app/android/check.sh

android-kotlin: ## The app's Kotlin and the window's compiled against outlines of Android's classes; installs a Java and the compiler
	@tests/setup.sh build android-kotlin
	app/android/kotlin.sh

android-size: setup ## What the app's stripped code is made of, by crate (the preview's, for the window does not link here)
	$(CARGO) build $(RELEASE) --bin preview
	python3 app/android/size.py target/release/preview

android-link: ## Android's resources compiled and the manifest linked with them, as far as Debian's Android knows them
	@tests/setup.sh android-link
	app/android/link.sh

apk: ## The app for Android, on a machine with its SDK and NDK; says what is missing on another
	app/android/apk.sh

test: setup-browser lint chromium80 android-check unit fuzz-minute ## Everything: format, lints, unit, property, real-HTTP and browser tests

test-window: build ## The desktop window (WebKitGTK) on a screen that nobody sees, with real keys: enrolled, killed, delivered
	@tests/setup.sh build window
	$(CARGO) build --locked -p app --features desktop --bin desktop
	DESKTOP=$(CURDIR)/target/debug/desktop $(CARGO) test $(SELECT) --test window -- --ignored --nocapture

test-office: setup ## A batch opened by LibreOffice: numbers whole, dates as dates, headers in Chinese, formulas that are none
	@tests/setup.sh office
	$(CARGO) test $(SELECT) --test server office -- --ignored --nocapture

# A minute on the handheld of the whole town; MINUTE="--login member1a" of one grid, "--cheap" with an eighth of a processor.
minute: setup-browser ## The app in somebody's hands for a minute: every stretch above 16 ms on the thread of its screen, and the window's cost
	$(CARGO) build $(RELEASE) --bin sync-server --bin preview --bin minute
	target/release/minute $(MINUTE)

# Stages: fill, rounds, local, handling, cheap, price, pages, apply, batches, crowd; and county and county-postgres (TOWNS=100), which are only made when asked for.
ONLY ?=
bench: setup ## Measures the product and, in the same run, the floor beneath it (release profile); writes docs/performance.md (ONLY=… prints some stages)
	@tests/setup.sh postgres
	$(CARGO) build $(RELEASE) --bin sync-server --bin bench
	target/release/bench $(if $(ONLY),--only $(ONLY),--report docs/performance.md)

# A workspace of its own, so that nothing here ever compiles or audits what others made.
bench-peers: ## automerge, yrs, loro and PouchDB on the same data beside ours (release profile); writes docs/peers.md
	@tests/setup.sh build peers
	$(CARGO) build $(RELEASE) --bin sync-server --bin bench
	cd bench-peers && $(CARGO) build --locked --release
	target/peers/release/bench-peers --report docs/peers.md

pictures: setup-browser build ## Screenshots of every screen into ./pictures, the README's into docs/pictures
	target/debug/pictures

test-postgres: build ## The server's stories with its records in PostgreSQL; those about the SQLite file itself aside
	@tests/setup.sh postgres
	$(CARGO) build $(SELECT) --bins
	target/debug/with-postgres $(CARGO) test $(SELECT) --test server -- $(addprefix --skip ,$(ON_FILES))

processes: build ## Two server processes on one PostgreSQL, slow commits and kills, for 10 minutes (MINUTES=…)
	@tests/setup.sh postgres
	MINUTES=$${MINUTES:-10} $(CARGO) test $(SELECT) --test server processes::two -- --nocapture

load: setup ## 820 handhelds come back at once (LOAD="--handhelds 2000 --spread 60 --rounds 4 --postgres --processes 2")
	@tests/setup.sh postgres
	$(CARGO) build $(RELEASE) --bin sync-server --bin load
	target/release/load $(LOAD)

import-72000: setup ## A workbook of 72,000 residents with 500 planted faults, each told; brought in and undone
	IMPORT_ROWS=72000 $(CARGO) test $(SELECT) --test server imports::large -- --nocapture

SECONDS_EACH ?= 600
fuzz: setup ## Every reader of outside bytes under libFuzzer for SECONDS_EACH=… seconds; new inputs are kept (TARGETS=… for some)
	KEEP=1 fuzz/run.sh $(SECONDS_EACH) $(TARGETS)

fuzz-minute: setup
	fuzz/run.sh 4

SEEDS ?= 20000
STEPS ?= 300
# Every so manieth seed is run twice, to see that it replays.
TWICE ?= 5
FROM ?= 0
simulate: setup ## The simulation with more seeds than the 2,000 of `make test` (FROM=… SEEDS=… STEPS=…, or SEED=… for one, told)
	FROM=$(FROM) SEEDS=$(SEEDS) STEPS=$(STEPS) TWICE=$(TWICE) $(CARGO) test $(SELECT) --test simulation after_the_links_heal -- --nocapture

simulate-postgres: build ## The same with the server's records in PostgreSQL, each seed as on SQLite beside it: 2,000 (FROM=… SEEDS=…)
	@tests/setup.sh postgres
	FROM=$(FROM) SEEDS=$(if $(filter file,$(origin SEEDS)),2000,$(SEEDS)) STEPS=$(STEPS) $(CARGO) test $(SELECT) --test simulation on_postgresql -- --nocapture

bad-line: build ## Five photos in real time over 20 kbit/s that is cut every 30 kB and stalls: a quarter of an hour
	$(CARGO) test $(SELECT) --test handheld 20_kbit -- --ignored --nocapture

EXAMPLES ?= 300
REQUESTS ?= 100000
hostile: setup ## As many requests that nobody honest makes; `make test` sends 3,000
	REQUESTS=$(REQUESTS) $(CARGO) test $(SELECT) --test server flood -- --nocapture

test-api: build ## Schemathesis against the OpenAPI document, EXAMPLES=… an operation
	tests/api.sh $(EXAMPLES)

crashes: setup ## Every point at which a disk can fail (POINT="server: batch/power cut/7" for one); `make test` tries every 23rd
	STRIDE=1 $(CARGO) test $(SELECT) --test crashes disk -- --nocapture

crashes-postgres: setup ## Every message at which PostgreSQL or the line to it can fail (POINT="server: batch/line cut/7"); `make test` tries every 1,009th and every commit
	@tests/setup.sh postgres
	STRIDE=$${STRIDE:-1} $(CARGO) test $(SELECT) --test crashes postgresql -- --nocapture

deny: ## cargo-deny with its advisories, where it is installed (licences, bans and sources are in `make test`)
	$(CARGO) deny check
