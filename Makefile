# Everything runs from here; the two commands to know are `make demo` and `make test`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
# The part of the random histories that the core plays: the n-th; `make check` plays all.
LAW_SHARE ?= 4
MANAGE := $(BIN)/python manage.py

# Workers and the processes that tests start compile each module once between them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo run stop test test-faults test-browser lint check bench screenshots

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

setup: $(VENV)/installed  ## the environment, the tables, the default prices
	$(MANAGE) migrate --database owner --verbosity 0
	$(MANAGE) publish_default_prices

demo: $(VENV)/installed  ## two months of a small downline, billed for real
	$(MANAGE) demo

run: setup  ## web, worker and beat on 127.0.0.1:PORT, until Ctrl-C
	exec env PORT=$(PORT) $(BIN)/python -m config.serve

stop:  ## end the embedded database and broker
	$(BIN)/python -m config.services stop

test: $(VENV)/installed-dev  ## the core, in minutes
	LAW_SHARE=$(LAW_SHARE) $(BIN)/python -m pytest -m "not faults and not browser" -n auto --dist worksteal

test-faults: $(VENV)/installed-dev  ## kills and cuts real processes
	$(BIN)/python -m pytest -m faults -n 2 --dist worksteal

test-browser: $(VENV)/installed-dev  ## drives a real browser
	$(BIN)/python -m pytest -m browser

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.house

check: LAW_SHARE := 1
check: lint test test-faults test-browser  ## what CI runs

bench: $(VENV)/installed-dev  ## ratios within one run; see docs/performance.md
	$(BIN)/python -m tests.benchmarks

screenshots: $(VENV)/installed-dev  ## pictures for the docs, after `make demo`
	$(BIN)/python -m tests.screenshots
