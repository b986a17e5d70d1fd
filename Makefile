# Two commands: `make book` and `make test`. They install what is missing and say what they do.
#   PROFILE      data behind the book: sim (default), smoke, h1-demo, or the path of a YAML file of your own
#   PYTHON       Python 3.11 or newer that the environment is made from
#   VENV         the environment; VENV=$CONDA_PREFIX uses the active conda environment (see environment.yml)
#   TORCH_FLAGS  further options of `pip install torch`, such as the index of a CPU or CUDA build (see constraints.txt);
#                they count at the first installation: to change the build later, remove .venv
#   PYTEST_ARGS  further options of pytest
PROFILE     ?= sim
PYTHON      ?= python3
VENV        ?= .venv
TORCH_FLAGS ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: help book test clean tools
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make book [PROFILE=sim]  install, compute everything, write _build/<profile>/html/index.html"
	@echo "make test                install, run all tests"
	@echo "make clean               remove the built book; data and trained networks stay"

book: $(VENV)/.installed-book tools
	@PATH="$(abspath $(BIN)):$$PATH" chromolib book "$(PROFILE)"

test: $(VENV)/.installed-test tools
	@echo "running the tests"
	@PATH="$(abspath $(BIN)):$$PATH" python -m pytest $(PYTEST_ARGS)

clean:
	rm -rf _build book/executed

# A stamp for each set of extras: nothing is installed again until one of these two files changes.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "[install 2/3] PyTorch: the largest part, 0.2 to 3 GB depending on its build"
	@$(PIP) $(TORCH_FLAGS) torch
	@echo "[install 3/3] chromolib and the packages it needs, about 200: one to three minutes"
	@$(PIP) --quiet -e '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than 3.11: sudo apt-get install python3 python3-venv, or name a newer one" \
	    "with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make environments: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "[install 1/3] environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv "$(VENV)"

# The programs that PyPI does not have. An active conda environment gets its own; otherwise the system's, for which root is
# needed. Asks for those that are missing.
tools:
	@PATH="$(BIN):$$PATH"; \
	find_missing() { missing=; for tool in bedtools bwa samtools; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; }; \
	find_missing; if [ -z "$$missing" ]; then exit 0; fi; \
	if [ -n "$$CONDA_PREFIX" ]; then set -- "$${CONDA_EXE:-conda}" install -y -c conda-forge -c bioconda $$missing; \
	elif ! command -v apt-get >/dev/null; then set --; \
	elif [ "$$(id -u)" = 0 ]; then set -- sh -c "apt-get update -qq && apt-get install -y -qq$$missing"; \
	elif sudo -n true 2>/dev/null; then set -- sudo sh -c "apt-get update -qq && apt-get install -y -qq$$missing"; \
	else set --; fi; \
	if [ $$# -gt 0 ]; then echo "installing$$missing: $$*"; "$$@"; fi; \
	find_missing; [ -z "$$missing" ] || \
	  { echo "missing:$$missing; sudo apt-get install$$missing, or conda install -c conda-forge -c bioconda$$missing" >&2; exit 1; }
