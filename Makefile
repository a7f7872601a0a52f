# Everything a developer does here, from a fresh clone: `make` prints it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Whatever environment is active in the shell, this one is meant.
export VIRTUAL_ENV := $(CURDIR)/.venv
unexport CONDA_PREFIX

PYTHON := .venv/bin/python
MATURIN := .venv/bin/maturin
# What the extension is built from. The lint sections of pyproject.toml are in it too: a needless build takes seconds.
NATIVE := Cargo.toml Cargo.lock pyproject.toml $(shell find src -name '*.rs')

.PHONY: help
help: ## print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.locked ## create .venv from the lock

.venv/.locked: requirements/dev.txt scripts/setup scripts/find-python
	@scripts/setup
	@touch $@

# Two ways to build, one module in place: a release build serves the tests as well, a fast build is not for figures.
.venv/.built: .venv/.locked $(NATIVE)
	$(MATURIN) develop --quiet --profile fast
	@rm -f .venv/.built-release
	@touch $@

.venv/.built-release: .venv/.locked $(NATIVE)
	$(MATURIN) develop --quiet --release
	@touch .venv/.built $@

.PHONY: demo
demo: .venv/.built ## start a server and a Django project, drive it over HTTP, print the table
	$(PYTHON) examples/demo.py

.PHONY: serve
serve: .venv/.built ## the demo's Django project, left running
	$(PYTHON) examples/demo.py --serve

.PHONY: test
test: test-rust test-python test-django ## every test: Rust, Python on real servers, Django's own

.PHONY: test-rust
test-rust: .venv/.locked ## Rust's own, and without libpython those of protocol and compression
	scripts/test-rust

.PHONY: test-python
test-python: .venv/.built ## pytest on real servers
	$(PYTHON) -m pytest

.PHONY: test-django
test-django: .venv/.built ## the cache and session tests of Django 6.1, 5.2 and 4.2 on our backend
	$(PYTHON) -m tests.django_suite

.PHONY: check
check: .venv/.built ## formatting, lints, types, the stub against the module
	cargo fmt --check
	cargo clippy --quiet --all-targets -- -D warnings
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy.stubtest django_cachex._core --allowlist scripts/stubtest.allowlist

.PHONY: format
format: .venv/.locked ## format Rust and Python in place
	cargo fmt
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

.PHONY: bench
bench: .venv/.built-release ## compare with Django's backend and its peers; writes benchmarks/results
	$(PYTHON) -m benchmarks

.PHONY: docs
docs: .venv/.built ## build the site into site/, warnings are errors
	@# Else the theme prints a notice about MkDocs 2, with which this site is not built.
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict

.PHONY: build
build: .venv/.locked ## the wheel and the sdist into dist/
	$(MATURIN) build --quiet --release --sdist --out dist

LOCKS := dev django-6.1 django-5.2 django-4.2

.PHONY: lock
lock: $(LOCKS:%=lock-%) ## renew requirements/*.txt from pyproject.toml (needs uv)

.PHONY: $(LOCKS:%=lock-%)
$(LOCKS:%=lock-%): lock-%:
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-annotate --upgrade \
	    --group $(subst .,-,$*) pyproject.toml --output-file requirements/$*.txt --custom-compile-command 'make lock'

.PHONY: clean
clean: ## remove everything that make made
	rm -rf target .venv .cache dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f python/django_cachex/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
