# Everything runs from one virtual environment. Root's lies outside the clone, where the panel's
# unprivileged services can read it even if the clone is under a private home.
SHELL := /bin/bash
ifeq ($(shell id -u),0)
ENV := /opt/skypanel/env-$(shell printf %s '$(CURDIR)' | sha256sum | cut -c1-8)
else
ENV := $(CURDIR)/.venv
endif
export ENV
export PATH := $(ENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help env env-dev up demo test screenshots coverage schema docs bench check audit lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: ## install what the panel needs: Debian packages, the virtual environment, the panel itself
	@deploy/env.sh requirements.lock
	@echo "The environment is in $(ENV)"

env-dev: ## the same, with what checks and tests need
	@deploy/env.sh requirements-dev.lock shellcheck chromium sshd dockerd mmdebstrap pebble named prometheus

up: env ## start a panel here in the foreground; Ctrl-C stops it
	@exec skypanel up

demo: env ## push a sample app to a throw-away panel and ask it for its page
	@deploy/demo.sh

test: env-dev ## run all tests: unit, integration, end to end
	@deploy/test.sh

schema: env-dev ## write skypanel/store/schema.sql from the migrations
	@python -m tests.support.schema

docs: env-dev ## write the tables of settings into the documents
	@python -m tests.support.documents

screenshots: env-dev ## take the pictures of docs/screenshots
	@python -m tests.support.screenshots

coverage: env-dev ## run tests, all or those in TESTS, and say which lines and branches they missed
	@deploy/coverage.sh $(TESTS)

bench: ## measure how fast and how large the panel is: docs/benchmarks.md
	@deploy/env.sh requirements-dev.lock shellcheck sshd dockerd mmdebstrap
	@python -m tests.bench $(SUBJECTS)

check: env-dev ## lint, types, layers, shell scripts, lock files, security, dead code
	@deploy/check.sh

audit: env-dev ## ask an advisory database for vulnerabilities of the locked packages; needs the network
	@deploy/audit.sh $(DATABASE)

lock: env-dev ## resolve the lock files anew, from pyproject.toml
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --upgrade --quiet -o requirements.lock
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -c requirements.lock --quiet -o requirements-dev.lock
	uv pip compile --group audit --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --upgrade --quiet -o requirements-audit.lock

clean: ## remove the virtual environment and all caches; a panel's home stays
	rm -rf "$(ENV)" build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
