# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

ENHANCERS := raw,gamma,autogamma,he,clahe,constant-curve,sgz

.PHONY: demo test test-fast bench lint copy types format clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/sgz-bench detect --dataset nightscene --enhancers $(ENHANCERS) --out demo/detection
	$(BIN)/sgz-bench segment --dataset nightscene --enhancers $(ENHANCERS) --out demo/segmentation
	$(BIN)/sgz-bench report demo/detection
	$(BIN)/sgz-bench report demo/segmentation

test: $(READY)
	$(BIN)/pytest --quiet

# Without the tests marked `slow` (over two seconds each).
test-fast: $(READY)
	$(BIN)/pytest --quiet -m 'not slow'

# About twenty minutes; BENCH="--only enhancer" and the like are passed on.
bench: $(READY)
	$(BIN)/python benchmarks/speed/bench.py $(BENCH)

lint: copy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd build/copy && ../../$(BIN)/lint-imports ../../pyproject.toml

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# An editable install is invisible to import-linter and mypy, so they check a copy as it would be installed.
copy: $(READY)
	rm -rf build
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --target build/copy .

types: copy
	cd build/copy && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p sgz_bench

clean:
	rm -rf $(VENV) build demo *.egg-info
