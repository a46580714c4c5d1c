# Every command that this project is worked with. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo site rules attacks test test-broker sim soak costs mutants fuzz fuzz-module worker device sdk rust-worker spin size size-engine size-peers bench-engine bench-edge bench-journeys bench-pipelines lint clean-state setup

PORT ?= 8787
WORKER := target/worker/release
TARGET := $(or $(CARGO_TARGET_DIR),target)
FUZZ_MODULE := $(TARGET)/wasm32-unknown-unknown/wasm/usher_fuzz_module.wasm
TANSU := $(HOME)/.cache/usher/tansu-0.6.0
N ?= 1000000
SEED ?= 1

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: setup ## build and start everything on this machine: http://127.0.0.1:8787/ (PORT=… for another port, SHARDS=8 after make clean-state)
	@echo "building the command line"
	@cargo build --locked -p usher
	@echo "building the worker to wasm"
	@node edge-worker/cloudflare/build.mjs $(WORKER) | tail -1
	@echo "building the browser SDK"
	@node browser-sdk/js/build.mjs >/dev/null
	@USHER_SHARDS=$(SHARDS) node edge-worker/cloudflare/local/demo.mjs --dist $(WORKER) --rules $(TARGET)/rules --device $(TARGET)/device --port $(PORT)

site: setup ## write the demo as plain files for any static host into target/site, with the edge in its visitor's tab
	@cargo build --locked --quiet -p usher
	@node browser-sdk/js/build.mjs >/dev/null
	@node edge-worker/tab/build.mjs $(TARGET)/tab/release >/dev/null
	@node www/rules/build.mjs $(TARGET)/rules >/dev/null
	@node browser-sdk/build.mjs $(TARGET)/device >/dev/null
	@node edge-worker/tab/local/site.mjs --edge $(TARGET)/tab/release --rules $(TARGET)/rules --device $(TARGET)/device --out $(TARGET)/site

rules: setup ## build what checks definitions in the demo's tab Rules into target/rules; the next `make demo` has it
	@node www/rules/build.mjs $(TARGET)/rules

test: setup ## run every test, layer by layer
	@node tests/run.mjs

test-broker: setup ## pipelines on brokers: the mock cluster of their client, and Tansu, which the first time builds for some ten minutes
	@cargo test --locked -p usher --features kafka --bin usher --test broker
	@test -x $(TANSU)/bin/tansu || cargo install --locked --version 0.6.0 --no-default-features --features dynostore --root $(TANSU) tansu
	@USHER_TEST_TANSU=$(TANSU)/bin/tansu cargo test --locked -p usher --features kafka --bin usher --test broker

attacks: setup ## attack an edge, natively and in workerd, with a victim beside (FILES=tests/attacks/…); BENCH=1: how much longer it waits (CHECK=1)
ifdef BENCH
	@cargo build --locked --quiet --release -p usher
	@USHER_TEST_NATIVE=$(TARGET)/release/usher node tests/attacks/bench.mjs
else
	@node edge-worker/cloudflare/build.mjs $(WORKER) | tail -1
	@cargo build --locked --quiet -p usher
	@node --test --test-concurrency=1 $(or $(FILES),tests/attacks/*.test.mjs)
endif

sim: setup ## make one run of the simulation again, with its steps (SEED=1 ACTIONS=20 WITHOUT=crash,kv)
	@cargo run --locked --quiet --profile sim -p usher-sim -- $(or $(SEED),1) --actions "$(ACTIONS)" --without "$(WITHOUT)"

soak: setup ## attributes and identity beside their oracle, and the simulation, 100 times as long as in tests; the browser SDK, 10 times, and its package in projects of others; 500 kills
	@USHER_CASES=100 cargo test --locked --profile sim -p usher-sim --test seeds -- --nocapture
	@USHER_CASES=100 cargo test --locked --release -p usher-engine --test oracle
	@cargo build --locked --quiet -p usher
	@node browser-sdk/js/build.mjs --modules $(TARGET)/sdk/modules
	@node browser-sdk/build.mjs $(TARGET)/device
	@USHER_CASES=10 node --test browser-sdk/js/tests/model.test.mjs tests/browser/sdk-delivery.test.mjs tests/browser/sdk-page.test.mjs tests/browser/sdk-device.test.mjs tests/browser/sdk-others.test.mjs
	@node --test tests/browser/sdk-projects.soak.mjs
	@USHER_KILLS=500 cargo test --locked -p usher --test kills -- --nocapture

costs: setup ## what hostile bodies cost to read, against plain JSON of as many bytes
	@cargo run --locked --quiet --release -p usher-tests --bin costs

mutants: setup ## break the engine's code in every way that cargo-mutants knows (SHARD=0/30 for a part, FILES=engine/src/merge.rs for some files)
	@cargo install --locked --quiet --root $(TARGET)/tools --version 27.1.0 cargo-mutants
	@USHER_CASES=0.02 $(TARGET)/tools/bin/cargo-mutants mutants -p usher-engine $(addprefix -f ,$(FILES)) $(if $(SHARD),--shard $(SHARD) --sharding round-robin) -o $(TARGET)

fuzz: setup ## damaged inputs through the release wasm, with fuel (N=1000000 SEED=1)
	@$(MAKE) --no-print-directory fuzz-module
	@cargo build --locked --quiet --release --manifest-path tests/fuzz/Cargo.toml --target-dir $(TARGET)
	@$(TARGET)/release/usher-fuzz $(FUZZ_MODULE) $(N) $(SEED)

fuzz-module: ## build what is fuzzed to wasm
	@cargo build --locked --quiet --profile wasm --target wasm32-unknown-unknown --manifest-path tests/fuzz/Cargo.toml -p usher-fuzz-module --target-dir $(TARGET)
	@echo "built $(FUZZ_MODULE)"

worker: setup ## build the Cloudflare worker into edge-worker/cloudflare/dist, ready for wrangler
	@node edge-worker/cloudflare/build.mjs edge-worker/cloudflare/dist

device: setup ## build the engine for visitors' devices into target/device; prints sizes and hashes for `integrity`; the next `make demo` has it
	@node browser-sdk/build.mjs $(TARGET)/device

sdk: setup ## build the browser SDK into browser-sdk/js/dist; prints sizes and hashes for `integrity`
	@node browser-sdk/js/build.mjs

rust-worker: setup ## build the Rust Worker of examples/rust-worker, with the service as a library
	@node edge-worker/worker/build.mjs examples/rust-worker/dist

spin: setup ## build the Spin component, which edge-worker/spin/spin.toml names
	@cargo build --locked --quiet --release --target wasm32-wasip2 -p usher-spin
	@echo "built $(TARGET)/wasm32-wasip2/release/usher_spin.wasm"

size: setup ## print raw and gzip bytes of what ships, and how the worker's module grew (CHECK=1 fails if it did)
	@node edge-worker/cloudflare/build.mjs $(WORKER)
	@node edge-worker/cloudflare/size.mjs $(WORKER)
	@node www/size.mjs
	@node browser-sdk/js/build.mjs

size-engine: setup ## print what the engine alone weighs as wasm; CHECK=1 fails over the must
	@node tests/bench/engine/size.mjs

size-peers: setup ## print what the browser SDK and the engine for devices weigh beside peers, measured the same way
	@node browser-sdk/js/build.mjs >/dev/null
	@node browser-sdk/build.mjs $(TARGET)/device >/dev/null
	@npm --prefix tests/bench/browser ci --silent --ignore-scripts --no-audit --no-fund
	@node tests/bench/browser/size.mjs

bench-engine: setup ## the decision engine beside its peers (QUICK=1, CHECK=1, WRITE=1, ROWS=…: tests/bench/README.md)
	@node tests/bench/engine/run.mjs $(ROWS)

bench-edge: setup ## the edge beside hand-written workers (QUICK=1, CHECK=1, WRITE=1, ROWS=…: tests/bench/README.md)
	@cargo build --locked --quiet --release -p usher
	@node edge-worker/cloudflare/build.mjs $(WORKER) >/dev/null
	@npm --prefix tests/bench/edge ci --silent --no-audit --no-fund
	@node tests/bench/edge/run.mjs $(ROWS)

bench-journeys: setup ## what journeys cost events, and how fast their messages leave (QUICK=1, CHECK=1, WRITE=1, ROWS=…: tests/bench/README.md)
	@cargo build --locked --quiet --release -p usher -p usher-tests --bin usher --bin journeys
	@node tests/bench/journeys/run.mjs $(TARGET)/release/usher $(TARGET)/release/journeys $(ROWS)

bench-pipelines: setup ## the shop's pipeline: its rate beside DuckDB, event to row, millions of users (QUICK=1, CHECK=1, WRITE=1, ROWS=…: tests/bench/README.md); needs python3
	@cargo build --locked --quiet --release -p usher
	@test -x $(TARGET)/duckdb/bin/duckdb-2.0.1 || { python3 -m venv $(TARGET)/duckdb && $(TARGET)/duckdb/bin/pip install --quiet duckdb==2.0.1 && ln -s python3 $(TARGET)/duckdb/bin/duckdb-2.0.1; }
	@node tests/bench/pipelines/run.mjs $(TARGET)/release/usher $(TARGET)/duckdb/bin/python3 $(ROWS)

lint: setup ## formatting and lints
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

clean-state: ## forget the demo's local data (profiles, bundle, keys)
	@rm -rf .usher && echo "forgot .usher"

# What the other targets need. Cheap when it is there already.
setup: target/.setup/toolchain target/.setup/npm

target/.setup/toolchain: rust-toolchain.toml
	@command -v rustup >/dev/null || { echo "rustup is missing: see https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: apt-get install gcc libc6-dev" >&2; exit 1; }
	@echo "installing the Rust toolchain of rust-toolchain.toml"
	@rustup toolchain install
	@mkdir -p $(@D) && touch $@

target/.setup/npm: package.json package-lock.json
	@command -v node >/dev/null || { echo "Node 20 or later is missing: see https://nodejs.org" >&2; exit 1; }
	@node -e 'if (Number(process.versions.node.split(".")[0]) < 20) { console.error(`Node $${process.versions.node} is too old, 20 or later is needed: see https://nodejs.org`); process.exit(1) }'
	@echo "installing npm packages"
	@npm ci --ignore-scripts --no-audit --no-fund
	@mkdir -p $(@D) && touch $@
