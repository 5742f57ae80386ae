# One environment per Python, made when first needed and again when the pins change:
#   make test                      .venv, the first Python >= 3.11 found
#   make test PYTHON=python3.13    .venv-3.13
# Nothing needs to be installed by hand; git, make and Python are enough.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

suitable = $(1) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
ifeq ($(origin PYTHON), undefined)
PYTHON := $(shell for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do \
    $(call suitable,$$candidate) 2>/dev/null && echo $$candidate && break; done)
VENV ?= .venv
else ifneq ($(shell $(call suitable,$(PYTHON)) 2>/dev/null && echo yes),yes)
# python3.13 may be a version that pyenv keeps and does not show.
KEPT := $(shell pyenv versions --bare 2>/dev/null | grep -E '^$(PYTHON:python%=%)(\.[0-9]+)?$$' | sort -V | tail -n 1)
ifneq ($(KEPT),)
override PYTHON := $(shell pyenv prefix $(KEPT))/bin/python
endif
endif
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV ?= .venv-$(VERSION)
PINS := requirements/$(if $(filter 3.11,$(VERSION)),py311,py312).txt

BIN := $(VENV)/bin
# The stamp carries the version, so that another Python behind the same name starts afresh.
STAMP := $(VENV)/.installed-$(VERSION)
DOCS_STAMP := $(VENV)/.installed-docs-$(VERSION)

# Python keeps compiled modules.  Without them every process of the suite compiles the sources and the
# assertions of all tests again, which is nearly half of the time to collect the tests.
export PYTHONDONTWRITEBYTECODE :=

# Worker processes of pytest.  Each starts with half of the tests in the order of the files, so that
# the fixtures of a file are made once; a worker that has none left takes over half of another's.
JOBS ?= 2
SHARED = -n $(JOBS) --dist worksteal
# Further arguments of pytest: make test PYTEST="-k mixture"
PYTEST ?=

.PHONY: help
help:  ## list the targets
	@echo "usage: make TARGET [PYTHON=python3.13]     for example: make demo"
	@echo
	@grep -hE '^[a-z0-9-]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 16

.PHONY: check-python
check-python:
	@$(call suitable,$(or $(PYTHON),false)) || { \
	    echo "isogmm needs Python >= 3.11 with the modules venv and ensurepip;" \
	         "'$(PYTHON)' will not do. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }

$(STAMP): $(PINS) pyproject.toml | check-python
	@if [ ! -x $(BIN)/python ] || [ ! -e $(STAMP) ]; then $(PYTHON) -m venv --clear $(VENV); fi
	@echo "installing $(PINS) into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(PINS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DOCS_STAMP): requirements/docs.txt $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	@touch $@

.PHONY: install
install: $(STAMP)  ## make the environment

.PHONY: demo
demo: $(STAMP)  ## two models by isogmm, NUTS and ADVI, 1 to 3 minutes; writes demo_output/
	$(BIN)/python docs/examples/demo.py

.PHONY: test
test: $(STAMP)  ## the standard suite, three to six minutes on two cores
	$(BIN)/python -m pytest $(SHARED) $(PYTEST)

.PHONY: test-all
test-all: $(STAMP)  ## with long statistical studies and every notebook
	$(BIN)/python -m pytest $(SHARED) -m "not benchmark" $(PYTEST)

.PHONY: test-stack
test-stack: $(STAMP)  ## what depends on Python, ArviZ and PyMC: PYTHON=python3.13
	$(BIN)/python -m pytest $(SHARED) --stack $(PYTEST)

.PHONY: test-quick
test-quick: $(STAMP)  ## without the slow statistical tests
	$(BIN)/python -m pytest $(SHARED) -m "not slow and not long and not benchmark" $(PYTEST)

.PHONY: test-float32
test-float32: $(STAMP)  ## the tests that hold in single precision too, in single precision
	JAX_ENABLE_X64=0 $(BIN)/python -m pytest $(SHARED) -m float32 \
	    $$(grep -rl --include='*.py' mark.float32 tests) $(PYTEST)

.PHONY: benchmark
benchmark: $(STAMP)  ## measurements, one process, tables printed
	XLA_FLAGS= $(BIN)/python -m pytest -m benchmark -s $(PYTEST)

.PHONY: doctest
doctest: $(STAMP)  ## the examples in docstrings
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SHARED) --doctest-modules --import-mode=importlib -o addopts= \
	    $$(grep -rl --include='*.py' '>>> ' src adapters) $(PYTEST)

.PHONY: lint
lint: $(STAMP)  ## ruff: errors and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/strip_notebooks.py --check notebooks docs

.PHONY: format
format: $(STAMP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python .ci/strip_notebooks.py notebooks docs

.PHONY: types
types: $(STAMP)  ## mypy
	$(BIN)/mypy

.PHONY: wheel-test
wheel-test: $(STAMP)  ## build the wheel, install it elsewhere, use it there
	$(BIN)/python .ci/wheel_test.py

.PHONY: lowest-test
lowest-test: $(STAMP)  ## install the lowest versions declared (Python 3.11), use them
	$(BIN)/python .ci/lowest_test.py

.PHONY: docs
docs: $(DOCS_STAMP)  ## the pages, warnings as errors, into docs/_build/html; runs the notebooks
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

.PHONY: clean
clean:  ## remove environments and what commands wrote
	rm -rf .venv .venv-* demo_output docs/_build docs/notebooks dist build .mypy_cache .pytest_cache .ruff_cache
