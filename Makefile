# One command each. `make demo` needs Python >= 3.11 and make, nothing else; no root.
#
# What a target needs is made by the file rules below and kept until pyproject.toml or
# package-lock.json changes, so only the first run (and the first after such a change) needs
# the network.

PYTHON ?= python3
ARGS ?=

SHELL := /bin/bash
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
JOBS ?= 2# tests side by side
NO_TESTS := 5# pytest's exit code where ARGS chose none
READY_TO_RUN := .venv/.ready-to-run
READY_TO_TEST := .venv/.ready-to-test
ASSETS := build/npm/.ready

.PHONY: help demo test lint format bench soak assets clean distclean debian-packages
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(READY_TO_RUN) ## play a disaster on this machine: hub, platform, 12 devices (ARGS="--headless ...")
	@$(MAKE) --no-print-directory -s assets \
	  || echo "hinomi: the page will show no chart until \`make assets\` succeeds." >&2
	@$(BIN)/hinomi demo $(ARGS)

test: $(READY_TO_TEST) $(ASSETS) debian-packages ## run every test (ARGS="-k name")
	@failed=0; \
	$(PYTEST) -n $(JOBS) -m "not alone" $(ARGS) || [ $$? -eq $(NO_TESTS) ] || failed=1; \
	$(PYTEST) -m alone $(ARGS) || [ $$? -eq $(NO_TESTS) ] || failed=1; \
	exit $$failed

lint: $(READY_TO_TEST) ## check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY_TO_TEST) ## format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY_TO_TEST) $(ASSETS) debian-packages ## measure; prints a table, writes build/bench.json
	@mkdir -p build
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(READY_TO_TEST) debian-packages ## play the long tiers, hours (ARGS="--part kills"); writes build/soak.json
	$(BIN)/python -m tests.soak $(ARGS)

assets: $(ASSETS) ## fetch the page's chart library and the MicroPython interpreter

clean: ## remove what was built; keep .venv
	rm -rf build dist *.egg-info hub/console/static/vendor .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv as well
	rm -rf .venv

debian-packages:
	@scripts/install_debian_packages.sh mosquitto chromium systemd/systemd-analyze g++ poppler-utils/pdftotext

$(READY_TO_RUN): pyproject.toml scripts/make_venv.sh
	@scripts/make_venv.sh "$(PYTHON)" .
	@touch $@

$(READY_TO_TEST): pyproject.toml $(READY_TO_RUN)
	@scripts/make_venv.sh "$(PYTHON)" '.[test,dev]'
	@touch $@

$(ASSETS): package.json package-lock.json scripts/fetch_assets.sh | $(READY_TO_RUN)
	@scripts/fetch_assets.sh build/npm hub/console/static/vendor
	@touch $@
