# Everything there is to do with this checkout. `make` alone prints the list.
#   PORT=8080 make run              settings come from the environment or from .env
#   make run ARGS="--workers 2"     ARGS goes to the command behind run, demo, bench, test, faults and lock
#   make install PYTHON=python3.12  another Python than the one it would find

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help install run demo bench test fuzz faults audit check format screenshots lock clean

PYTHON ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

help: ## print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.run ## put what Mediqon runs on into .venv, once
	@echo "Installed. Next: make demo, or make run"

run: $(VENV)/.run ## start the server on PORT (3000), with its own PostgreSQL and Redis unless .env names yours
	@exec $(BIN)/mediqon serve $(ARGS)

demo: $(VENV)/.run ## the same with a demo hospital and a clinic day to watch; prints pages and log-ins
	@exec $(BIN)/mediqon demo $(ARGS)

bench: $(VENV)/.run ## measure this machine, in about ten minutes; ARGS=--quick in one or two
	@exec $(BIN)/mediqon bench $(ARGS)

test: $(VENV)/.dev ## run every test, the pages in a real browser
	@MEDIQON_TEST_BROWSER="$$($(BIN)/python tests/browser.py)" && export MEDIQON_TEST_BROWSER && \
	exec $(BIN)/pytest -n 3 --dist worksteal $(ARGS)

fuzz: $(VENV)/.dev ## send nonsense to every operation as every role, others each time; a quarter of an hour
	@MEDIQON_FUZZ_CASES=$${MEDIQON_FUZZ_CASES:-60} MEDIQON_FUZZ_NUMBER=$${MEDIQON_FUZZ_NUMBER:-$$$$} \
	exec $(BIN)/pytest -n 2 -rP tests/security/test_fuzz.py $(ARGS)

audit: $(VENV)/.dev ## look the pinned dependencies up among the known vulnerabilities (needs the network)
	@for pins in requirements.txt requirements-dev.txt; do \
		$(BIN)/pip-audit --disable-pip --require-hashes --strict --progress-spinner off --requirement $$pins || exit 1; \
	done

faults: $(VENV)/.dev ## kill, freeze and cut off under load, in some minutes; what is lost, doubled or late is told
	@cd tests && ../$(BIN)/python -m faults.campaign $(ARGS)
	@exec $(BIN)/pytest -q -m long tests/faults

check: $(VENV)/.dev ## formatting, lint and types; changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

format: $(VENV)/.dev ## put the code into shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

screenshots: $(VENV)/.dev ## take the README's pictures of the pages again
	@MEDIQON_TEST_BROWSER="$$($(BIN)/python tests/browser.py)" && export MEDIQON_TEST_BROWSER && \
	PYTHONPATH=tests exec $(BIN)/python tests/e2e/screenshots.py docs/screenshots

# ARGS=--upgrade moves every pin; without it only what pyproject.toml asks for moves.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command "make lock" --quiet --extra embedded --group build
lock: ## pin what pyproject.toml asks for, with hashes (needs uv)
	@$(LOCK) --output-file requirements.txt $(ARGS)
	@$(LOCK) --group dev --constraint requirements.txt --output-file requirements-dev.txt $(ARGS)

clean: ## remove .venv and what tools left behind; the clinic's data in .mediqon stays
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	@find mediqon tests -type d -name __pycache__ -prune -exec rm -rf {} +

# A virtual environment knows its own path and its Python: where either has moved, it is made anew.
ifneq ($(shell $(BIN)/python -c 'print(open("$(VENV)/.made").read().strip())' 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.made
endif

$(VENV)/.made:
	@for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3 python); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		found="$$python"; \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) && echo "$(CURDIR)" > $@; exit; \
	done; \
	if [ -n "$$found" ]; then \
		echo "$$found cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; \
	else \
		echo "Mediqon needs Python 3.11 or newer, and there is none on the PATH." >&2; \
		echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python)," >&2; \
		echo "or name it: make install PYTHON=/where/it/is/python3" >&2; \
	fi; exit 1

$(VENV)/.run: $(VENV)/.made requirements.txt pyproject.toml
	@echo "Installing what Mediqon runs on; the first time takes a minute"
	@$(PIP) install --require-hashes --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@echo "Installing what its tests and checks need"
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $@
