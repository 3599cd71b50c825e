# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

ENHANCERS := raw,gamma,autogamma,he,clahe,constant-curve,sgz

.PHONY: demo test test-fast bench lint copy types format clean

$(READY): pyproject.toml constraints.txt
	@echo "Creating a virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@echo "Installing sgz-bench and its packages into $(VENV): some minutes, more than a gigabyte"
	$(BIN)/pip install --progress-bar off --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	@echo "1 of 4: renders 240 night scenes on first use, then detects objects in raw and enhanced images"
	$(BIN)/sgz-bench detect --dataset nightscene --enhancers $(ENHANCERS) --out demo/detection
	@echo "2 of 4: segments raw and enhanced images"
	$(BIN)/sgz-bench segment --dataset nightscene --enhancers $(ENHANCERS) --out demo/segmentation
	@echo "3 of 4: report of the detector"
	$(BIN)/sgz-bench report demo/detection
	@echo "4 of 4: report of the segmenter"
	$(BIN)/sgz-bench report demo/segmentation

test: $(READY)
	$(BIN)/pytest --quiet

# Without the tests marked `slow` (over two seconds each).
test-fast: $(READY)
	$(BIN)/pytest --quiet -m 'not slow'

# About forty minutes; BENCH="--only enhancer" and the like are passed on.
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
