# `make` alone lists what there is. Everything lands in .venv/ and node_modules/ of this checkout.
# `make VENV=… PYTHON=… $VENV/.tested` makes another environment by the same recipe.

.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-bench demo test test-all soak check mutants release-dump test-pythons bench bench-quick docs clean
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATABASE ?= sqlite:///todos.db

VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --root-user-action=ignore -c constraints.txt
ROOT := $$([ "$$(id -u)" = 0 ] || echo sudo)
APT := $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get
POLICY := /usr/sbin/policy-rc.d
VENDOR := src/livecollections/demo/vendor.json

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: .venv/.installed .venv/.vendored ## Make .venv/ with the command line in it, and fetch the demo's browser files

demo: setup ## Serve TodoMVC and print its address (PORT=, HOST=, DATABASE=)
	@exec $(BIN)/livecollections demo --host $(HOST) --port $(PORT) --database '$(DATABASE)'

test: setup-test ## Run every suite, small (12 minutes on two cores)
	@$(BIN)/python -m tests.run

test-all: setup-test .venv/.pythons ## Run every suite in full (40 minutes on two cores)
	@LIVE_FULL=1 $(BIN)/python -m tests.run

test-pythons: setup-test .venv/.pythons ## Run every suite, small, on each other version of Python that is here (12 minutes each)
	@$(BIN)/python -m tests.platforms.pythons

soak: setup-test ## Search random histories for broken promises, on all cores (SECONDS=, HISTORIES=, SEED=)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) \
		$(if $(HISTORIES),--histories $(HISTORIES)) \
		$(if $(SECONDS),--seconds $(SECONDS),$(if $(HISTORIES),,--seconds 600))

check: .venv/.tested ## Style, types, layers, versions, and the places of safeguards and of tests
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'run: $(BIN)/ruff format'; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_layers.py tests/test_versions.py tests/upgrade/test_api.py \
		tests/mutants/test_catalogue.py tests/test_run.py::test_every_test_file_is_in_one_suite

mutants: setup-test ## Remove each safeguard in turn, see that it is noticed, and write the table of the documentation
	@$(BIN)/python -m tests.mutants --write

release-dump: setup-test ## Keep a database of this version, and its public API, for the tests of upgrades
	@$(BIN)/python -m tests.upgrade.dump
	@$(BIN)/python -m tests.upgrade.api

bench: setup-bench ## Measure beside faye, socket.io, ws, a C program and the article's stack, and write bench/results (30 minutes)
	@$(BIN)/python -m bench --output bench/results

bench-quick: setup-bench ## The same with fewer rounds and sizes, on the terminal only (3 minutes)
	@$(BIN)/python -m bench --quick

docs: .venv/.documented ## Build the documentation into docs/_site, and look through its links
	@$(BIN)/python -m docs.build

clean: ## Remove what setup made
	rm -rf .venv node_modules tests/openapi/types/node_modules bench/original/node_modules dist docs/_site src/livecollections/demo/static/vendor

# What tests and benches need beyond setup; quick when it is there already. nginx and Caddy would begin to serve port 80
# when they are installed, PostgreSQL 5432, and again when the machine starts: the policy keeps them from the first,
# systemctl from the second.
setup-test: setup .venv/.tested .venv/.types .venv/.original .venv/.shell
	@missing=; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-liberation"; \
	command -v sqlite3 >/dev/null || missing="$$missing sqlite3"; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	for proxy in nginx haproxy caddy; do \
		PATH="$$PATH:/usr/sbin" command -v $$proxy >/dev/null || missing="$$missing $$proxy"; \
	done; \
	PATH="$$PATH:/usr/sbin" command -v pgbouncer >/dev/null || missing="$$missing pgbouncer"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	if [ "$$missing" = " postgresql" ] && ! command -v apt-get >/dev/null; then \
		echo "PostgreSQL is not installed, and there is no apt-get to do it: its tests are left out"; missing=; \
	fi; \
	if [ -n "$$missing" ]; then \
		command -v apt-get >/dev/null || { echo "install with your package manager:$$missing"; exit 1; }; \
		echo "installing$$missing"; \
		if [ ! -e $(POLICY) ]; then \
			trap '$(ROOT) rm -f $(POLICY)' EXIT; \
			printf '#!/bin/sh\nexit 101\n' | $(ROOT) tee $(POLICY) >/dev/null; $(ROOT) chmod 755 $(POLICY); \
		fi; \
		$(APT) update -qq >/dev/null; $(APT) install -y -qq --no-install-recommends $$missing >/dev/null; \
		for service in nginx haproxy caddy pgbouncer postgresql; do case "$$missing" in *$$service*) \
			[ ! -d /run/systemd/system ] || $(ROOT) systemctl disable --quiet $$service;; \
		esac; done; \
	fi

# Asked for once: a window of it costs half of one of Chromium's, which tests take where it can't be had.
.venv/.shell: | .venv/.made
	@command -v chromium-headless-shell >/dev/null || ! command -v apt-get >/dev/null || \
		{ echo "installing chromium-headless-shell"; $(APT) update -qq >/dev/null && \
		$(APT) install -y -qq --no-install-recommends chromium-headless-shell >/dev/null; } || \
		echo "tests go on without chromium-headless-shell"
	@touch $@

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo 'Python 3.11 or newer is needed (or name one: make PYTHON=python3.12)'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V) (name another: make PYTHON=python3.12)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ $(APT) update -qq >/dev/null; $(APT) install -y -qq python3-venv >/dev/null; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo 'installing Python packages'
	@$(PIP) pip hatchling editables
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo 'installing what tests need'
	@$(PIP) --no-build-isolation -e '.[test,check,docs]'
	@touch $@

.venv/.documented: .venv/.installed
	@echo 'installing what builds the documentation'
	@$(PIP) --no-build-isolation -e '.[docs]'
	@touch $@

setup-bench: setup-test .venv/.benched

.venv/.benched: .venv/.tested
	@echo 'installing what benches need'
	@$(PIP) --no-build-isolation -e '.[bench]'
	@touch $@

# Versions of Python that are here beside this one have environments of their own.
.venv/.pythons: .venv/.tested
	@$(BIN)/python -m tests.platforms.pythons --install
	@touch $@

.venv/.npm: package.json package-lock.json | .venv/.made
	@command -v npm >/dev/null || { echo 'Node 20 or newer, with npm, is needed for the browser files of the demo'; exit 1; }
	@echo 'installing npm packages'
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

.venv/.types: tests/openapi/types/package.json tests/openapi/types/package-lock.json | .venv/.made
	@cd tests/openapi/types && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

.venv/.original: bench/original/package.json bench/original/package-lock.json | .venv/.made
	@cd bench/original && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

.venv/.vendored: .venv/.npm .venv/.installed hatch_build.py $(VENDOR)
	@$(BIN)/python hatch_build.py
	@touch $@
