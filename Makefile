# What people do with this repository, by name. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Tools of the tests that come from PyPI live here; the tests find them by this variable.
export RECONCILE_VENV ?= $(CURDIR)/.venv

.PHONY: help build dist portable demo test lint quick bench fuzz fmt schemas tools clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program for use: target/release/reconcile
	cargo build --locked --release

dist: ## Build what is handed out: slower to build, smaller, faster
	cargo build --locked --profile dist

portable: ## Build for hosts with an old C library (glibc 2.17), and look at the symbols that it needs
	scripts/build-portable

demo: ## Plan, apply, back up, prove and restore examples/commcare on a fresh sandbox; touches nothing else
	cargo build --locked
	scripts/demo "$${CARGO_TARGET_DIR:-target}/debug/reconcile"

test: tools lint ## Install what the tests need, then run everything that CI runs
	cargo test --locked

lint: ## Formatting and lints, no tests
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

quick: ## The unit tests alone: pure, no tools needed
	cargo test --locked --lib

bench: ## Measure against baselines of the same run, in release
	scripts/install-test-tools --bench
	cargo bench --locked --no-fail-fast --bench '*'

fuzz: ## Feed readers of settings with made-up input for ten minutes each; needs cargo-fuzz
	scripts/fuzz 600

fmt: ## Format the code
	cargo fmt

schemas: ## Write schemas/ and docs/settings.md again from the types
	cargo build --locked
	@for name in public plan report problems settings desired decision request audit locks status; do \
	  target/debug/reconcile schema $$name > schemas/$$name.schema.json.new; \
	  mv schemas/$$name.schema.json{.new,}; \
	done
	target/debug/reconcile schema public --output markdown > docs/settings.md.new
	mv docs/settings.md{.new,}

tools: ## Install what the tests need and this machine lacks (Debian; asks for sudo only then)
	scripts/install-test-tools

clean: ## Remove what was built, and the tools in .venv
	cargo clean
	rm -rf .venv
