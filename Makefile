# Fresh machine: Python 3.11 and make are enough. `make demo` plays the whole story, `make test` runs every test.
PYTHON ?= python3.11
UV := .venv/bin/uv
# Tests, lint and types need more than the product: requirements-dev.txt holds both.
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev browser demo up down test lint types format lock schema

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the command .venv/bin/perennial, from the lock; does nothing when it is current

setup-dev: $(READY)-dev

# The pages are looked at in a real browser; no package of the lock brings one.
browser: ## Chromium for the tests of pages, from Debian where there is none
	@for name in chromium chromium-browser google-chrome; do if command -v $$name >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo="sudo -n"; fi; \
	{ command -v apt-get >/dev/null && echo "installing chromium ..." && $$sudo apt-get update -qq && $$sudo apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
	|| echo "no Chromium: the tests of pages will fail. Install it (apt-get install chromium, as root), then run this again"

$(READY): requirements.txt pyproject.toml
	@$(call install,requirements.txt)
	@touch $@

$(READY)-dev: requirements-dev.txt pyproject.toml $(READY)
	@$(call install,requirements-dev.txt)
	@touch $@ && touch -r $@ $(READY)

demo: setup ## set up, start the stack, play the whole story; the stack stays up
	@.venv/bin/perennial up
	@.venv/bin/perennial demo

up: setup ## start the stack on this machine
	@.venv/bin/perennial up

down: ## end the stack
	@if [ -x .venv/bin/perennial ]; then .venv/bin/perennial down; else echo "nothing to end: .venv does not exist"; fi

test: setup-dev browser ## run every test
	@.venv/bin/python -m pytest --numprocesses auto --dist loadscope --no-loadscope-reorder

lint: setup-dev ## ruff and the import contracts
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && PYTHONPATH=plugins .venv/bin/lint-imports

types: setup-dev ## mypy --strict
	@.venv/bin/mypy

format: setup-dev ## let ruff mend what it can
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

lock: setup-dev ## make requirements.txt and requirements-dev.txt anew from pyproject.toml
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile pyproject.toml -o requirements.txt --universal --python-version 3.11 --generate-hashes --no-annotate -q $(LOCK_OPTIONS)
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt --universal --python-version 3.11 --generate-hashes --no-annotate -q $(LOCK_OPTIONS)

schema: setup ## write docs/model.schema.json anew from ml/spec
	@.venv/bin/perennial schema > docs/model.schema.json

define install
	set -e; \
	command -v $(PYTHON) >/dev/null || { echo "Perennial needs Python 3.11: $(PYTHON) was not found. Name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }; \
	[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv; \
	[ -x $(UV) ] || .venv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.8; \
	echo "installing from $(1) ..."; \
	$(UV) pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes $(1); \
	$(UV) pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
endef
