# make            builds .venv from requirements.lock
# make paper      regenerates every table and figure of all papers on MovieLens-100K; PAPER=rlmrec for one paper,
#                 DATASET="amazon yelp" for other datasets (all: for all of them), JOBS=1 for less memory,
#                 RECORDED=yes for what follows from data/recorded without training
# make plan       what make paper would run, why, and how long
# make test       unit tests, notebook checks, a dry run of the whole grid
# make notebooks  executes the notebooks in place at their default, tiny scale: the outputs that are committed
# make site       site/: README, results, documents and executed notebooks as web pages with search, and an explorer of items
# make site-test  builds a small site and clicks through it in a real browser; needs chromium installed
# make release    trained models, results and a bill of materials as one archive: unpacked in a checkout of the same commit,
#                 nothing is trained again
# make cluster-test   a small grid on a real SLURM of this machine that loses jobs and nodes; needs slurm-wlm installed
# make hashes     requirements.hashes anew, after a change of requirements.lock
# make lab        JupyterLab; LAB="--allow-root --no-browser" in a container
# make clean      lists what can be remade; CONFIRM=yes deletes it

PYTHON ?= python3.11
JOBS ?= $(shell nproc)
PAPER ?= all
DATASET ?= default

BIN := .venv/bin
STAMP := .venv/installed
RIGHT := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))
SNAKEMAKE = $(BIN)/snakemake --workflow-profile params/workflow/default --cores $(JOBS)

.DEFAULT_GOAL := install
.PHONY: install torch paper plan test notebooks site site-test release cluster-test hashes lab clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# an activated environment or a user's Python settings must not leak into .venv
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

install: $(STAMP)

# looked for when needed: the given Python, or else the first that is 3.11 and can make environments
names = $(PYTHON) $(if $(filter file,$(origin PYTHON)),python3 python)
python = $(firstword $(foreach name,$(names),$(shell $(name) -c '$(RIGHT)' 2>/dev/null && echo $(name))))
define missing
RepRec needs Python 3.11: install it (Debian: apt install python3.11 python3.11-venv; pyenv: pyenv install 3.11; \
conda: conda env create -f environment.yml) and run make again, or name yours with make PYTHON=/path/to/python3.11
endef

$(STAMP): requirements.lock requirements.hashes pyproject.toml
	$(if $(python),,$(error $(missing)))
	@$(BIN)/python -c '$(RIGHT)' 2>/dev/null || $(python) -m venv --clear .venv
	@$(BIN)/python -m pip freeze | grep -q '^$(TORCH)' || $(MAKE) torch
	$(BIN)/python -m pip install --require-hashes --no-deps -r requirements.hashes
	# what torch's build for GPUs needs beside, which is nothing for processors
	$(BIN)/python -m pip install -r requirements.lock
	$(BIN)/python -m pip install --no-build-isolation --no-deps -e .
	$(BIN)/python -m lib schema
	# threads that wait sleep soon: spinning, two of them took 30 times as long beside one other busy process
	$(BIN)/python -m ipykernel install --sys-prefix --frozen_modules --env GOMP_SPINCOUNT 1000
	@touch $@

# by itself: where a build for processors is offered pip takes it, but not when it is told of hashes
TORCH := $(shell grep '^torch==' requirements.lock)
torch:
	$(BIN)/python -m pip download --quiet --no-deps --dest .venv/torch $(TORCH)
	@for wheel in .venv/torch/*; do grep -q "$$(sha256sum < $$wheel | cut -d ' ' -f 1)" requirements.hashes || \
	    { echo "$$wheel has a sha256 that requirements.hashes does not list: it is not the torch that was published" >&2; exit 1; }; done
	$(BIN)/python -m pip install --no-deps .venv/torch/*
	@rm -r .venv/torch

paper: $(STAMP)
	@$(BIN)/python -m lib paper --paper "$(PAPER)" --dataset "$(DATASET)" $(if $(RECORDED),--recorded) --cores $(JOBS)
	@echo "results: figures/README.md"

plan: $(STAMP)
	@$(BIN)/python -m lib plan --paper "$(PAPER)" --dataset "$(DATASET)" $(if $(RECORDED),--recorded)

# one thread: the last bits of a number depend on how many there are
test notebooks: export OMP_NUM_THREADS := 1
# TQDM_DISABLE: how slow a machine is must not show in the outputs of a notebook
test: $(STAMP)
	$(BIN)/python -m lib fetch movielens-100k minilm smollm2 wordllama
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal
	TQDM_DISABLE=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --nbval --nbval-sanitize-with tests/nbval.cfg notebooks
	$(SNAKEMAKE) --dry-run --quiet host reason rules --config paper=all dataset=all

notebooks: $(STAMP)
	@TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb notebooks/*/*.ipynb

# Sphinx and its kin are installed here and not with the rest: who only runs notebooks needs none of them
site: $(STAMP)
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --no-build-isolation -e '.[site]'
	@$(BIN)/python -m lib site

site-test: $(STAMP)
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --no-build-isolation -e '.[site,site-test]'
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs tests/test_site_browser.py

ARCHIVE = reprec-results-$(or $(shell git rev-parse --short HEAD 2>/dev/null),unknown).tar.gz
FINISHED = $(filter-out runs/tiny,$(wildcard runs/*))
SBOM = sbom.cdx.json
release: $(if $(wildcard $(STAMP)),$(SBOM))
	@tar --create --gzip --file $(ARCHIVE) --sort=name --owner=0 --group=0 --numeric-owner \
	    --exclude='checkpoint.*' --exclude='*.running.ipynb' --exclude='*.failure.md' --exclude='.*' figures $(FINISHED) $(wildcard $(SBOM))
	@sha256sum $(ARCHIVE)

cluster-test: $(STAMP)
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --no-build-isolation -e '.[slurm]'
	@OMP_NUM_THREADS=1 PYTHONPATH=tests/cluster:. $(BIN)/python tests/cluster/disturbed_grid.py

# after a change of requirements.lock; no index of packages has the hash of torch's build for processors
CPU_BUILD = 6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
hashes: $(STAMP)
	@$(BIN)/python -m pip install --quiet --target .venv/uv uv
	@sed '/^#/!d' requirements.hashes > requirements.hashes.new
	@PYTHONPATH=.venv/uv $(BIN)/python -m uv pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate \
	    requirements.lock | sed 's/^torch==.*/&\n    --hash=sha256:$(CPU_BUILD) \\/' >> requirements.hashes.new
	@mv requirements.hashes.new requirements.hashes

$(SBOM): requirements.hashes $(STAMP)
	@$(BIN)/python -m pip install --quiet --target .venv/cyclonedx -c requirements.lock cyclonedx-bom==7.5.0
	@PYTHONPATH=.venv/cyclonedx $(BIN)/python -m cyclonedx_py requirements --output-reproducible -o $@ requirements.hashes

lab: $(STAMP)
	@case "$$(id -u)$(LAB)" in 0) echo "JupyterLab does not run as root, as in a container, unless it is told to:" \
	    "make lab LAB=--allow-root" >&2; exit 1;; esac
	@$(BIN)/jupyter lab $(LAB) notebooks

clean:
	@echo "runs (trained models), data/cache, data/downloads, .snakemake and .venv can all be remade:"
	@du -sh runs data/cache data/downloads .snakemake .venv 2>/dev/null || true
ifeq ($(CONFIRM),yes)
	rm -rf runs data/cache data/downloads .snakemake .venv
else
	@echo "nothing deleted; to delete them: make clean CONFIRM=yes"
endif
