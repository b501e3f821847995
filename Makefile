# `make demo` to see it, `make test` to trust it. Both set everything up first, in .venv, and only once.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup browser demo test lint bench clean

help:
	@echo "make demo   grade the sample submissions; ends with the report to open"
	@echo "make test   style, types and tests"
	@echo "make bench  seconds and memory per submission, notebooks and grader check"
	@echo "make setup  only install, into .venv"
	@echo "make clean  remove what the others made, .venv too"

setup: $(READY) browser

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "torchgrade needs Python 3.11 or newer; this is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# The reports are looked at in a real browser. Without one those tests say so; everything else runs.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
		as_root=`test "$$(id -u)" = 0 || echo "sudo -n"`; \
		echo "installing chromium for the browser tests"; \
		command -v apt-get >/dev/null && { \
			$$as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 || \
			{ $$as_root apt-get update -qq && $$as_root apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1; \
		} || echo "chromium could not be installed here; install it by hand to run the browser tests" >&2; }

# Samples of every assignment with their tables; then a class of 30, twelve notebooks as they are handed in, and a course
# of 20 students on all assignments.
SAMPLES := $(patsubst examples/submissions/%/,%,$(wildcard examples/submissions/*/))
GRADE := $(BIN)/grader grade

demo: $(READY)
	@set -e; for name in $(SAMPLES); do $(GRADE) $$name examples/submissions/$$name -j 2 -o out/demo/$$name; done
	$(GRADE) masks examples/class -j 2 -o out/demo/class
	$(GRADE) attention examples/notebooks -j 2 -o out/demo/notebooks
	$(BIN)/python examples/make_course.py out/demo/handed_in
	@set -e; for name in $(SAMPLES); do \
		$(GRADE) $$name out/demo/handed_in -j 2 -o out/demo/course/$$name > out/demo/course.txt; tail -n 2 out/demo/course.txt; done
	@echo
	@echo "A whole course:  out/demo/course/attention/class.html and so on, one for each assignment"
	@echo "A whole class:   out/demo/class/class.html"
	@echo "Notebooks:       out/demo/notebooks/class.html, and in each folder the feedback notebook"
	@echo "A training:      out/demo/sentiment/class.html"
	@echo "Open this one:   $(CURDIR)/out/demo/attention/class.html"

# Two at a time, each file of tests in one process: what a file has warmed up stays warm. They come in the
# order of tests/conftest.py, not by number of tests.
test: setup lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/grading.py
	$(BIN)/python -m benchmarks.notebooks

clean:
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
