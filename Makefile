# Everything a person types. `make demo` and `make test` need nothing but Python 3.11 to 3.13, venv and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRITON_VENV := .venv-triton

.PHONY: help setup demo test test-slow test-all lint format docs lock clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

setup: $(VENV)/.ready $(TRITON_VENV)/.ready  ## both environments: osteoscreen, and its embedded Triton server

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) infra/check_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(TRITON_VENV)/.ready: infra/triton/requirements.lock infra/triton/install.py
	$(PYTHON) infra/triton/install.py $(TRITON_VENV)
	touch $@

demo: setup      ## the whole night on a generated archive
	$(BIN)/osteoscreen demo

test: setup      ## the tests, but for the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-slow: setup ## only the slow tests
	$(BIN)/python -m pytest -m slow

test-all: setup  ## every test, with line coverage of tasks/
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m '' --cov --cov-report=term

lint: setup      ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup    ## mend format and what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup      ## pages that are generated from the code
	$(BIN)/python infra/generate_docs.py

lock:            ## new versions of everything, as far as pyproject.toml allows
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet -e '.[test,lint]'
	build/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:           ## what can be made again
	rm -rf demo build .pytest_cache .mypy_cache .ruff_cache
