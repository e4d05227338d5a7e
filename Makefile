# Sets everything up in .venv, then hands over to nox. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
INSTALLED := .venv/.installed
NOX := .venv/bin/nox -s

.PHONY: demo test check lint clean
demo test lint: $(INSTALLED)
	@$(NOX) $@

check: $(INSTALLED)
	@$(NOX) lint types imports workflows coverage scenarios containers demo

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Temper needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv results examples/*/results coverage mutants .coverage .coverage.* .flakes.json .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(wildcard system harness scenarios loadtests chaos reports tests examples) -name __pycache__ -prune -exec rm -rf {} +
