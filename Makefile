# `make demo` needs python3 (3.11 or newer) and a network to install from, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Environments without torch, each with the versions of a file of constraints.
VERSIONS := oldest sklearn17 sklearn18
# The newest Python of this machine. pyenv hides its versions until they are asked for.
NEWEST = $(firstword $(foreach v,3.14 3.13 3.12,\
	$(shell PYENV_VERSION=$v python$v -c 'print("$v")' 2>/dev/null)))
# Two threads are enough, and more only get into each other's way.
export OMP_NUM_THREADS ?= 2
export OPENBLAS_NUM_THREADS ?= 2
# The tests are shared out among processes, of one thread each.
test%: export OMP_NUM_THREADS = 1
test%: export OPENBLAS_NUM_THREADS = 1
PYTEST := python -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadscope \
	--ignore=tests/browser

# What meets scikit-learn most.
CONTRACT := tests/test_common.py tests/test_classifier.py tests/test_classifier_cv.py \
	tests/test_pipeline.py tests/metrics
# What reads texts, with the encoders of the dependency group text.
TEXT := tests/embedding/test_text.py tests/embedding/test_sentences.py \
	tests/_torch/test_sentence_tokens.py
# What decides: every line and branch of it is tested.
CORE := */_classifier.py,*/_fit/*,*/_model/*,*/_data/*

.PHONY: help demo demo-text test test-slow test-properties test-cov test-browser \
	test-text $(VERSIONS:%=test-%) test-newest check format docs bench study study-quick clean

help:
	@echo "make demo         install into $(VENV), convert a network, draw its prototypes"
	@echo "make demo-text    make a spam filter that explains itself, and its report"
	@echo "make test         the tests, but for the slow ones: minutes"
	@echo "make test-slow    the slow ones: training, whole studies, large networks"
	@echo "make test-properties"
	@echo "                  the property tests, with ten times as many examples"
	@echo "make test-cov     make test, with branch coverage"
	@echo "make test-browser pages and notebook output, in chromium (apt install chromium)"
	@echo "make test-text    texts, with pretrained encoders (downloads 80 MB once)"
	@echo "make test-oldest  make test without torch, on the oldest supported versions"
	@echo "make test-sklearn17, make test-sklearn18"
	@echo "                  the estimators and metrics, on scikit-learn 1.7 and 1.8"
	@echo "make test-newest  the tests without torch, on the newest Python found here"
	@echo "make check        ruff, mypy, import-linter"
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

$(VENV)/.text: $(VENV)/.dev
	$(BIN)/python -m pip install --group text
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --group bench
	touch $@

$(VERSIONS:%=.venv-%/.installed): .venv-%/.installed: pyproject.toml constraints/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --upgrade pip
	.venv-$*/bin/python -m pip install -e . --group test --constraint constraints/$*.txt
	touch $@

.venv-newest/.installed: pyproject.toml
	PYENV_VERSION=$(NEWEST) python$(NEWEST) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --upgrade pip
	.venv-newest/bin/python -m pip install -e . --group test
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python examples/demo_digits.py --output demo

demo-text: $(VENV)/.installed
	$(BIN)/python examples/demo_text.py --output demo-text

test: $(VENV)/.dev
	$(BIN)/$(PYTEST) -m "not slow"
	@echo "The rest: make test-slow test-properties test-browser test-oldest check docs; .ci/run runs all."

test-slow: $(VENV)/.dev
	$(BIN)/$(PYTEST) -m slow

test-properties: $(VENV)/.dev
	HYPOTHESIS_PROFILE=ci $(BIN)/$(PYTEST) -m hypothesis

test-cov: $(VENV)/.dev
	$(BIN)/$(PYTEST) -m "not slow" --cov --cov-report=term
	$(BIN)/python -m coverage report --fail-under=100 --include="$(CORE)"

# What is missing here fails; where pytest meets these tests otherwise, it skips them.
test-browser: $(VENV)/.browser
	SKLEARN_KMEX_BROWSER=required $(BIN)/python -m pytest tests/browser

# What is missing here fails; elsewhere, these tests are skipped.
test-text: export SKLEARN_KMEX_ENCODER = required
test-text: $(VENV)/.text
	$(BIN)/python -m pytest $(TEXT)

test-oldest: .venv-oldest/.installed
	.venv-oldest/bin/$(PYTEST) -m "not slow"

test-sklearn17 test-sklearn18: test-%: .venv-%/.installed
	.venv-$*/bin/$(PYTEST) -m "not slow" $(CONTRACT)

test-newest:
	$(if $(NEWEST),$(MAKE) .venv-newest/.installed,@echo "skipped: no Python after 3.11")
	$(if $(NEWEST),.venv-newest/bin/$(PYTEST) -m "not slow")

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# protoselect.py asks SKLEARN_KMEX_ALIBI for the Python of an environment with alibi.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/small.py
	$(BIN)/python benchmarks/kmeans.py --large
	$(BIN)/python benchmarks/inertia.py
	$(BIN)/python benchmarks/protoselect.py
	$(BIN)/python benchmarks/large.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/max_samples.py
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/counts.py
	$(BIN)/python benchmarks/metric.py
	$(BIN)/python benchmarks/deletions.py
	$(BIN)/python benchmarks/forget.py
	$(BIN)/python benchmarks/parity.py --cache benchmarks/study/cache/parity
	$(BIN)/python benchmarks/texts.py --cache benchmarks/study/cache/texts
	$(BIN)/python benchmarks/relevance.py
	$(BIN)/python benchmarks/words.py
	$(BIN)/python benchmarks/faithfulness.py
	$(BIN)/python benchmarks/imbalance.py
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/refusal.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/predict.py
	cd benchmarks && $(abspath $(BIN))/python -m battery

study: $(VENV)/.dev
	cd benchmarks && $(abspath $(BIN))/python -m study

study-quick: $(VENV)/.dev
	cd benchmarks && $(abspath $(BIN))/python -m study --quick

clean:
	rm -rf $(VENV) $(VERSIONS:%=.venv-%) .venv-newest demo demo-text docs/_build docs/api docs/auto_examples docs/extra docs/tables docs/study/generated
