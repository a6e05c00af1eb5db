# make: install, run the sample study, open the dashboard.  make test: everything that must hold.
# Works from any folder: make -C PATH, or make -f PATH/Makefile.

ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV := $(ROOT)/.venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)

# Each package is held to the hashes of its lock; with --no-deps, as a lock names all of them. uv is faster where it
# is there; `make UV=` does without.
UV ?= $(shell command -v uv)
PIP := $(PYTHON) -m pip install --quiet
LOCKED := $(if $(UV),$(UV) pip install --quiet --python $(PYTHON),$(PIP)) --require-hashes --no-deps
# torch's file differs by machine, so no hash holds it. It comes last and by pip, which knows where this machine keeps
# its own: what it needs is there by then, all but the CUDA packages that its file for a GPU asks for.
TORCH := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' $(ROOT)/requirements.txt)

.PHONY: start install extras test e2e check fix stop clean

start: install
	cd $(ROOT) && $(PYTHON) -m diffing sample
	cd $(ROOT) && $(PYTHON) -m diffing dashboard

install: $(VENV)/.installed

# Two packages come as source only. What builds them is installed before, so that it is held to its hash as well.
$(VENV)/.installed: $(ROOT)/requirements.txt $(ROOT)/requirements-build.lock $(ROOT)/requirements.lock
	test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	$(LOCKED) --requirement $(ROOT)/requirements-build.lock
	$(LOCKED) --no-build-isolation --requirement $(ROOT)/requirements.lock
	$(PIP) $(TORCH)
	$(PYTHON) -m pip check
	touch $@

# What single wings need: agents over MCP, their benchmark, Ray, logins for teams.
extras: $(VENV)/.installed-extras

$(VENV)/.installed-extras: $(VENV)/.installed $(ROOT)/requirements-extras.lock
	$(LOCKED) --no-build-isolation --requirement $(ROOT)/requirements-extras.lock
	$(PYTHON) -m pip check
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-extras $(ROOT)/requirements-dev.lock
	$(LOCKED) --no-build-isolation --requirement $(ROOT)/requirements-dev.lock
	$(PYTHON) -m pip check
	touch $@

# Files go to the two processes in the order that tests/conftest.py gives them, not by how many tests they have: the
# browser's come last.
TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed-dev
	cd $(ROOT) && $(PYTHON) tools/find_chromium.py
	cd $(ROOT) && $(PYTHON) -m pytest $(TWO)

e2e: $(VENV)/.installed-dev
	cd $(ROOT) && $(PYTHON) tools/find_chromium.py
	cd $(ROOT) && $(PYTHON) -m pytest tests/e2e

check: $(VENV)/.installed-dev
	cd $(ROOT) && $(VENV)/bin/ruff check .
	cd $(ROOT) && $(VENV)/bin/ruff format --check .
	cd $(ROOT) && $(VENV)/bin/mypy diffing dashboard.py pages tools bench tests examples
	cd $(ROOT) && $(PYTHON) -m tools.audit

fix: $(VENV)/.installed-dev
	cd $(ROOT) && $(VENV)/bin/ruff check --fix .
	cd $(ROOT) && $(VENV)/bin/ruff format .

stop:
	cd $(ROOT) && $(PYTHON) -m diffing dashboard --stop

clean:
	rm -rf $(VENV) $(ROOT)/.mypy_cache $(ROOT)/.ruff_cache $(ROOT)/.pytest_cache
