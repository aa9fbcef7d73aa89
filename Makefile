# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else: their set-up goes to .venv.
# PYTHON=/path/to/python chooses the interpreter; the newest that runs is the default.

VENV := .venv
BIN := $(VENV)/bin
SETUP := PYTHON="$(PYTHON)" sh .ci/setup
SETUP_FILES := Makefile .ci/setup .ci/dependency_group.py requirements.lock pyproject.toml \
	sdk/pyproject.toml worker/pyproject.toml host/pyproject.toml

# In a copied or moved clone the environment names its old place: set-up runs again.
MOVED := $(shell grep -qsF '$(CURDIR)/$(VENV)' $(BIN)/activate || echo again)

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs build bench clean again
.DELETE_ON_ERROR:

help:
	@echo "make demo     the main job, without a key or a network"
	@echo "make test     all tests; make test ARGS='tests/unit -x' passes arguments on"
	@echo "make lint     style, format, import contracts"
	@echo "make types    mypy --strict"
	@echo "make docs     the documentation, into docs/_build/html"
	@echo "make build    wheels and sdists, into dist"
	@echo "make bench    the measures, against grpc and MCP"
	@echo "make clean    remove everything that make has made"

demo: $(VENV)/.ready-run
	@$(BIN)/stockade demo $(ARGS)

test: $(VENV)/.ready-test
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.ready-dev
	$(BIN)/mypy

docs: $(VENV)/.ready-dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

build: $(VENV)/.ready-dev
	@rm -rf dist
	@for folder in sdk worker host; do $(BIN)/python -m build -q --outdir dist $$folder || exit 1; done

bench: $(VENV)/.ready-bench
	@$(BIN)/python -m pytest tests/benchmarks -s --timeout 600 $(ARGS)

$(VENV)/.ready-%: $(SETUP_FILES) $(MOVED)
	@$(SETUP) $*

clean:
	rm -rf $(VENV) dist docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find sdk worker host plugins tests docs -name __pycache__ -prune -exec rm -rf {} +
