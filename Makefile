# Two commands: `make book` and `make test`; and `make batch`, which is `make book` by Snakemake. They install what is missing
# and say what they do.
#   PROFILE      data behind the book: sim (default), smoke, h1-demo, or the path of a YAML file of your own
#   PYTHON       Python 3.11 or newer that the environment is made from
#   VENV         the environment; VENV=$CONDA_PREFIX uses the active conda environment (see environment.yml)
#   TORCH_FLAGS  further options of `pip install torch`, such as the index of a CPU or CUDA build (see constraints.txt);
#                they count at the first installation: to change the build later, remove .venv
#   WORKERS      processes that run tests, each with files of its own: as many as cores, but 4 at most; 0: this one alone
#   PYTEST_ARGS  further options of pytest
#   CORES, THREADS, SHARE, BUDGET, BATCH_ARGS   of `make batch`: cores in all, of a step, trainings at a time on a GPU, "full" to train
#                everything by the recipes of its authors, and further options of snakemake; DIRECTORY, where it keeps its notes, is the data folder
PROFILE     ?= sim
PYTHON      ?= python3
VENV        ?= .venv
TORCH_FLAGS ?=
WORKERS     ?= logical
PYTEST_ARGS ?=
CORES       ?= all
THREADS     ?= 1
SHARE       ?= 1
BUDGET      ?= profile
BATCH_ARGS  ?=
BATCH_VENV  ?= .venv-batch
DIRECTORY   ?= $(or $(CHROMOLIB_DATA),data)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: help install book batch batch-tools test test-slurm clean tools
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make book [PROFILE=sim]  install, compute everything, write _build/<profile>/html/index.html"
	@echo "make install             install alone: chromolib lies in $(BIN) then"
	@echo "make batch [PROFILE=sim] the same by Snakemake: many trainings at a time, on GPUs or a cluster; see book/batch.md"
	@echo "make test                install, Snakemake too, and run all tests"
	@echo "make test-slurm          as root: run the smallest profile through a Slurm cluster of this machine alone"
	@echo "make clean               remove the built book; data and trained networks stay"

install: $(VENV)/.installed-book tools

book: install
	@PATH="$(abspath $(BIN)):$$PATH" chromolib book "$(PROFILE)"

# Snakemake's own lock stays when it is killed, and asks for a decision. This one (flock) ends with the process that holds it, and
# steps do not inherit it; so --nolock. A process that was killed may need seconds to be gone on a busy machine; so -w.
batch: $(VENV)/.installed-book $(BATCH_VENV)/.installed tools
	@command -v flock >/dev/null || { echo "missing: flock, of util-linux" >&2; exit 1; }; \
	mkdir -p "$(DIRECTORY)/.snakemake"; exec 9>>"$(DIRECTORY)/.snakemake/lock-$(basename $(notdir $(PROFILE)))"; \
	flock -w 5 9 || { echo "make batch: another one of profile $(PROFILE) is running; wait for it or stop it" >&2; exit 1; }; \
	PATH="$(abspath $(BIN)):$$PATH" exec "$(BATCH_VENV)/bin/snakemake" --snakefile Snakefile --directory "$(DIRECTORY)" --nolock \
	  --cores $(CORES) $(BATCH_ARGS) \
	  --config profile="$(if $(filter %.yml %.yaml,$(PROFILE)),$(abspath $(PROFILE)),$(PROFILE))" bin="$(abspath $(BIN))" threads=$(THREADS) share=$(SHARE) budget=$(BUDGET)

batch-tools: $(BATCH_VENV)/.installed

test-slurm: $(VENV)/.installed-book $(BATCH_VENV)/.installed tools
	@tests/slurm_cluster.sh "$(abspath $(VENV))" "$(abspath $(BATCH_VENV))"

test: $(VENV)/.installed-test $(BATCH_VENV)/.installed tools
	@echo "running the tests"
	@BATCH_VENV="$(abspath $(BATCH_VENV))" PATH="$(abspath $(BIN)):$$PATH" python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

clean:
	rm -rf _build book/executed

# A stamp for each set of extras: nothing is installed again until one of these two files changes.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "[install 2/3] PyTorch: the largest part, 0.2 to 3 GB depending on its build"
	@$(PIP) $(TORCH_FLAGS) torch
	@echo "[install 3/3] chromolib and the packages it needs, about 200: one to three minutes"
	@$(PIP) --quiet -e '.[$*]'
	@touch $@

# Snakemake has an environment of its own: it wants older versions of what notebooks use.
$(BATCH_VENV)/.installed: pyproject.toml constraints-batch.txt
	@echo "[install] Snakemake, in $(BATCH_VENV): about 60 packages, half a minute"
	@$(PYTHON) -m venv "$(BATCH_VENV)"
	@"$(BATCH_VENV)/bin/python" -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*extras["batch"], sep="\n")' | \
	  "$(BATCH_VENV)/bin/python" -m pip install --disable-pip-version-check --quiet -c constraints-batch.txt -r /dev/stdin
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
