# make demo   a small, real calibration on NEST, from nothing to a map
# make test   lint and tests, on an HTCondor pool too where Docker answers
# All make a virtual environment in .venv and install what they need.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
BIN := .venv/bin

.PHONY: demo test lint fidelity benchmarks attacks attacks-pool images images-genn images-genn-cuda pool pool-stop clean

demo: .venv/.installed
	$(BIN)/python -m gridsearch submit examples/demo.toml

test: lint
	$(BIN)/python -m pytest $(PYTEST)

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fidelity: .venv/.installed
	$(BIN)/python benchmarks/fidelity.py

benchmarks: .venv/.installed-dev
	$(BIN)/python benchmarks/spike_statistics.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/open_run.py
	$(BIN)/python benchmarks/structure_reuse.py

# The long form of the attacks on a pool: 20 evictions, 21 kills of daemons, and a run of 510 jobs
attacks-pool: .venv/.installed-dev
	GRIDSEARCH_ATTACKS=20 $(BIN)/python -m pytest -m pool -s tests/test_htcondor_attacks.py

# In their long form; the short form is tests/test_attacks.py
attacks: .venv/.installed-dev
	$(BIN)/python benchmarks/malformed.py --examples 200
	$(BIN)/python benchmarks/kills.py --kills 100 --simulators nest
	$(BIN)/python benchmarks/kills.py --kills 100 --simulators genn --seed 2
	$(BIN)/python benchmarks/plan.py --points 100000
	$(BIN)/python benchmarks/plan.py --points 1000000

images images-genn images-genn-cuda pool pool-stop:
	$(MAKE) -C containers $@

clean:
	rm -rf .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: apt install python3 python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.installed-dev: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/.installed
