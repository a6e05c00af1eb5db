# make: install, run the sample study, open the dashboard.  make test: everything that must hold.
# Works from any folder: make -C PATH, or make -f PATH/Makefile.

ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV := $(ROOT)/.venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)

.PHONY: start install test e2e check fix stop clean

start: install
	cd $(ROOT) && $(PYTHON) -m diffing sample
	cd $(ROOT) && $(PYTHON) -m diffing dashboard

install: $(VENV)/.installed

$(VENV)/.installed: $(ROOT)/requirements.txt
	test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --requirement $(ROOT)/requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed $(ROOT)/requirements-dev.txt
	$(PYTHON) -m pip install --quiet --requirement $(ROOT)/requirements-dev.txt
	touch $@

test: $(VENV)/.installed-dev
	cd $(ROOT) && $(PYTHON) tools/find_chromium.py
	cd $(ROOT) && $(PYTHON) -m pytest --numprocesses 2 --dist loadfile --ignore tests/e2e
	cd $(ROOT) && $(PYTHON) -m pytest tests/e2e

e2e: $(VENV)/.installed-dev
	cd $(ROOT) && $(PYTHON) tools/find_chromium.py
	cd $(ROOT) && $(PYTHON) -m pytest tests/e2e

check: $(VENV)/.installed-dev
	cd $(ROOT) && $(VENV)/bin/ruff check .
	cd $(ROOT) && $(VENV)/bin/ruff format --check .
	cd $(ROOT) && $(VENV)/bin/mypy diffing dashboard.py pages tools bench

fix: $(VENV)/.installed-dev
	cd $(ROOT) && $(VENV)/bin/ruff check --fix .
	cd $(ROOT) && $(VENV)/bin/ruff format .

stop:
	cd $(ROOT) && $(PYTHON) -m diffing dashboard --stop

clean:
	rm -rf $(VENV) $(ROOT)/.mypy_cache $(ROOT)/.ruff_cache $(ROOT)/.pytest_cache
