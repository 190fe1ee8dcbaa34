# `make demo` and `make test` are all a newcomer needs; each installs what it uses.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# pip's own progress is noise in a log; set VERBOSE=1 to see it.
QUIET := $(if $(VERBOSE),,-q)

.PHONY: demo test test-fast lint bench clean

demo: $(VENV)/.light
	$(BIN)/python examples/demo.py --out demo

# One thread for each of two test processes: more would only wait for each other on two cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(VENV)/.full
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(VENV)/.full
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.full
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/build.py
	$(BIN)/python benchmarks/video.py

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache

# An environment older than 3.11 fails here with one line, not in the middle of an import.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "telltale needs Python 3.11 or newer, found " + sys.version.split()[0] + "; run: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.light: $(VENV)/.made pyproject.toml
	@echo "installing telltale into $(VENV) (about 200 MB; a minute, or several on a slow line)"
	$(PIP) install $(QUIET) -e .
	@touch $@

$(VENV)/.full: $(VENV)/.made pyproject.toml
	@echo "installing everything, torch included, into $(VENV) (about 2.3 GB; several minutes)"
	$(PIP) install $(QUIET) -e '.[dev]'
	@touch $@ $(VENV)/.light
