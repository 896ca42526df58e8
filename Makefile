# Two commands for a newcomer: `make demo` and `make test`. Each makes the environment if it is missing.
# Python 3.11 or newer is needed; choose one with `make PYTHON=python3.12 test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
export HF_HUB_OFFLINE ?= 1
# Empty = off. Where it is set, as in many containers, every process compiles the source of torch anew, for seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check slow format constraints clean

demo: $(VENV)/.ready
	rm -rf $(RUN)
	$(BIN)/hydranet weights get mobilenetv2
	$(BIN)/hydranet train demo --out $(RUN)
	$(BIN)/hydranet evaluate $(RUN) --gallery $(RUN)/gallery.html
	@echo "Open $(RUN)/gallery.html. Next: $(BIN)/hydranet predict $(RUN) YOUR_PICTURES --out predictions"

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" --durations=15

slow: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist worksteal -m slow --durations=15

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed, $(PYTHON) is `$(PYTHON) --version 2>&1`; try: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev,train,export,video,track,record,serve]' -c constraints.txt
	@$(BIN)/hydranet list > /dev/null && $(BIN)/hydranet info demo > /dev/null  # keeps bytecode: later commands start in seconds
	touch $@

constraints: $(VENV)/.ready
	$(BIN)/uv pip compile --quiet --universal --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache .mypy_cache
