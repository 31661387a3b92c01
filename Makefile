# `make demo` needs python3 (3.11 or newer) and a network to install from, nothing else.
PYTHON ?= python3
VENV ?= .venv
OLDEST ?= .venv-oldest
BIN := $(VENV)/bin
# Two threads are enough, and more only get into each other's way.
export OMP_NUM_THREADS ?= 2
export OPENBLAS_NUM_THREADS ?= 2
# The tests are shared out among processes, of one thread each.
test test-oldest: export OMP_NUM_THREADS = 1
test test-oldest: export OPENBLAS_NUM_THREADS = 1
PYTEST := python -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadscope \
	--ignore=tests/browser

.PHONY: help demo test test-browser test-oldest check format docs bench study study-quick \
	clean

help:
	@echo "make demo         install into $(VENV), convert a network, draw its prototypes"
	@echo "make test         all tests, with branch coverage"
	@echo "make test-browser pages and notebook output, in chromium (apt install chromium)"
	@echo "make test-oldest  the tests without torch, on the oldest supported versions"
	@echo "make check        ruff, mypy, import-linter, numpydoc"
	@echo "make docs         the site, into docs/_build/html"
	@echo "make bench        ratios against peers, into benchmarks/results"
	@echo "make study        the paper's study: hours, goes on where it was stopped"
	@echo "make study-quick  a small one, printed: minutes"

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e ".[all]"
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install -e ".[all]" --group dev
	touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(BIN)/python -m pip install --group browser
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --group bench
	touch $@

$(OLDEST)/.installed: pyproject.toml constraints/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --upgrade pip
	$(OLDEST)/bin/python -m pip install -e . --group test --constraint constraints/oldest.txt
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python examples/demo_digits.py --output demo

test: $(VENV)/.dev
	$(BIN)/$(PYTEST) --cov --cov-report=term
	$(BIN)/python -m coverage report --fail-under=100 --include="*/_classifier.py,*/_predictor.py,*/_streaming.py,*/_learning.py,*/_prototypes.py,*/_similarity.py,*/_temperature.py,*/_validation.py,*/_progress.py,*/_gathering.py,*/_mapped.py,*/_dask.py,*/_kmeans.py,*/_nearest.py,*/_arrays.py"

# What is missing here fails; where pytest meets these tests otherwise, it skips them.
test-browser: $(VENV)/.browser
	SKLEARN_KMEX_BROWSER=required $(BIN)/python -m pytest tests/browser

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/$(PYTEST)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $$(git ls-files 'sklearn_kmex/*.py')

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# protoselect.py asks SKLEARN_KMEX_ALIBI for the Python of an environment with alibi.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/kmeans.py --large
	$(BIN)/python benchmarks/inertia.py
	$(BIN)/python benchmarks/protoselect.py
	$(BIN)/python benchmarks/large.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/max_samples.py
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/counts.py
	$(BIN)/python benchmarks/relevance.py
	$(BIN)/python benchmarks/faithfulness.py
	$(BIN)/python benchmarks/imbalance.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/refusal.py
	$(BIN)/python benchmarks/serving.py

study: $(VENV)/.dev
	cd benchmarks && $(abspath $(BIN))/python -m study

study-quick: $(VENV)/.dev
	cd benchmarks && $(abspath $(BIN))/python -m study --quick

clean:
	rm -rf $(VENV) $(OLDEST) demo docs/_build docs/api docs/auto_examples docs/extra docs/tables docs/study/generated
