# `make test` and `make quickstart` set up their own environment in .venv; a second call starts at once.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
ARGS ?=

.PHONY: setup test lint quickstart clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "Setting up $(VENV) (a few minutes, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,text,timm,sentencepiece,data,wandb,completion,remote,deltas,launchers,ray]'
	@touch $@

# Tests read files cold, which a /tmp in memory does not allow; the checkout lies on a disk.
test: $(READY)
	@mkdir -p .tmp
	PYTEST_DEBUG_TEMPROOT=$(CURDIR)/.tmp $(VENV)/bin/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(ARGS)

lint: $(READY)
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy

quickstart: $(READY)
	$(VENV)/bin/alsatian run experiment=quickstart $(ARGS)

clean:
	rm -rf $(VENV) .tmp build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
