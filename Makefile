# make demo   from nothing to a calibration map at full size, and NEST beside native on a small network
# make test   lint and tests, on an HTCondor pool too where Docker answers (test-here: without, test-pool: these alone)
# All make a virtual environment in .venv and install what they need.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
BIN := .venv/bin

.PHONY: demo test test-here test-pool test-lowest test-highest lint fidelity agreement benchmarks attacks attacks-pool gpu cuda-emulation images images-genn images-genn-cuda images-pynn pool pool-stop clean

demo: .venv/.installed
	$(BIN)/python -m gridsearch submit examples/demo.toml
	$(BIN)/python examples/agreement.py results/demo
	$(BIN)/python -m gridsearch submit examples/demo_full.toml

test: lint test-here test-pool

# In two processes, the tests of a file in one of them; those on the pool one after another, because there is one pool
test-here: .venv/.installed-dev
	$(BIN)/python -m pytest -m 'not pool' -n 2 --dist loadfile $(PYTEST)

test-pool: .venv/.installed-dev
	$(BIN)/python -m pytest -m pool $(PYTEST)

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The tests with the lowest versions of all dependencies that setup.cfg allows, and with the highest; no pool.
# PYTEST='tests/submitting/test_cli.py ...' takes some of them. PyGeNN is not among them.
test-lowest test-highest: test-%: .venv/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -m venv --clear --without-pip .venv-$*
	$(BIN)/python -m uv pip install --quiet --resolution $(if $(filter lowest,$*),lowest-direct,highest) \
		--python .venv-$*/bin/python --editable '.[test,neo,htcondor]'
	.venv-$*/bin/python -m pytest -m 'not pool' $(PYTEST)

fidelity: .venv/.installed
	$(BIN)/python benchmarks/fidelity/fidelity.py $(SWEEP)

# 48 draws of small networks of each kind, NEST beside native; the short form is tests/backends/own_engine/test_native_agreement.py
agreement: .venv/.installed
	$(BIN)/python benchmarks/fidelity/agreement.py

benchmarks: .venv/.installed-dev
	$(BIN)/python benchmarks/reading/spike_statistics.py
	$(BIN)/python benchmarks/planning/plan.py
	$(BIN)/python benchmarks/reading/open_run.py
	$(BIN)/python benchmarks/engines/structure_reuse.py

# The long form of the attacks on a pool: 20 evictions, 21 kills of daemons, transfers that break off in the middle of a
# file, and a run of 510 jobs
attacks-pool: .venv/.installed-dev
	GRIDSEARCH_ATTACKS=20 $(BIN)/python -m pytest -m pool -s $(addprefix tests/pool/test_htcondor_,attacks.py transfers.py)

# In their long form; the short form is tests/submitting/test_attacks.py
attacks: .venv/.installed-dev
	$(BIN)/python benchmarks/attacks/malformed.py --examples 200
	$(BIN)/python benchmarks/attacks/kills.py --kills 200 --points 60 --simulators nest
	$(BIN)/python benchmarks/attacks/kills.py --kills 200 --points 60 --simulators genn --seed 2
	$(BIN)/python benchmarks/attacks/kills.py --kills 200 --points 60 --simulators native --seed 3
	$(BIN)/python benchmarks/attacks/disks.py --rounds 20
	$(BIN)/python benchmarks/planning/plan.py --points 100000
	$(BIN)/python benchmarks/planning/plan.py --points 1000000
	$(BIN)/python benchmarks/planning/hours.py

# What a graphics processor takes: expected, which needs none, then measured; with GENN_PYTHON, a Python that has PyGeNN
gpu:
	PYTHONPATH=$(CURDIR) $(GENN_PYTHON) benchmarks/engines/gpu.py --model
	PYTHONPATH=$(CURDIR) $(GENN_PYTHON) benchmarks/engines/gpu.py --steps
	PYTHONPATH=$(CURDIR) $(GENN_PYTHON) benchmarks/engines/gpu.py --grid 40 --cores 8

# GeNN's code for CUDA without a graphics processor (tests/cuda_emulation/README.md): CUDA_PATH names the toolkit, and
# GENN_PYTHON a Python whose PyGeNN was built with it
GENN_PYTHON ?= $(BIN)/python
cuda-emulation:
	GRIDSEARCH_CUDA_EMULATION=1 PYTHONPATH=$(CURDIR) $(GENN_PYTHON) -m pytest tests/cuda_emulation $(PYTEST)

images images-genn images-genn-cuda images-pynn pool pool-stop:
	$(MAKE) -C containers $@

clean:
	rm -rf .venv .venv-lowest .venv-highest *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: apt install python3 python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.installed-dev: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/.installed
