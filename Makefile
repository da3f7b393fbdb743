# Everything runs in .venv, which is made when it is missing or pyproject.toml has changed.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
# The torch that results and CI were made with; any from 2.11 works: make TORCH='torch>=2.11' ...
TORCH ?= torch==2.13.0

PROXY ?= vkdnw
BENCHMARK ?= nasbench201
DATASET ?= cifar10
SET ?=
SAMPLE ?=
SEED ?= 0
SEEDS ?= 1
# Of make search; several proxies or algorithms, separated by blanks, are compared in one figure.
ALGORITHM ?= evolution
ITERATIONS ?= 1000
POPULATION ?= 100
MAX_FLOPS ?=
# Of make eval, tables, search; without it ./harness-out, which every run may overwrite.
OUT ?=
FORCE ?=
# Anything else that `harness eval` takes, e.g. ARGS='--truth analog --workers 2'
ARGS ?=

HARNESS := $(VENV)/bin/harness
TO = $(if $(OUT),--out $(OUT)) $(if $(FORCE),--force)
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_PREDICT := $(VENV)/.ready-predict
READY_OFFICIAL := $(VENV)/.ready-official
# torchvision fixes torch's version, and golden scores another: trainings have their own environment.
VENV_TRAIN ?= .venv-train
TORCH_TRAIN ?= torch==2.14.1 torchvision==0.29.1
READY_TRAIN := $(VENV_TRAIN)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup setup-train eval tables search docs test lint typecheck unit unit-train check bench results truth clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}; call: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet '$(TORCH)' -e .
	@touch $@

# With scikit-learn, for the rows of model-driven rankings.
$(READY_PREDICT): $(READY)
	$(VENV)/bin/python -m pip install --quiet '$(TORCH)' -e '.[predict]'
	@touch $@

$(READY_DEV): $(READY)
	$(VENV)/bin/python -m pip install --quiet '$(TORCH)' -e '.[dev]'
	@touch $@

# Their metadata asks for packages that the tests do not use; an oracle that cannot be
# installed is skipped by the tests, with a reason.
$(READY_OFFICIAL): $(READY_DEV)
	-$(VENV)/bin/python -m pip install --quiet '$(TORCH)' -e '.[official]'
	@touch $@

$(READY_TRAIN): pyproject.toml
	$(PYTHON) -m venv $(VENV_TRAIN)
	$(VENV_TRAIN)/bin/python -m pip install --quiet $(TORCH_TRAIN) -e '.[train]' pytest hypothesis
	@touch $@

setup: $(READY) ## Make .venv with the harness in it

eval: $(READY) ## Score and evaluate: make eval PROXY=vkdnw [DATASET= SET= SAMPLE= SEED= OUT= FORCE= ARGS=]
	$(HARNESS) eval $(PROXY) --benchmark $(BENCHMARK) --dataset $(DATASET) --seed $(SEED) \
	  $(TO) $(if $(SET),--set $(SET)) $(if $(SAMPLE),--sample $(SAMPLE)) $(ARGS)

tables: $(READY_PREDICT) ## The papers' Table 1, scored and compared: make tables [SAMPLE= SET= SEED= SEEDS= OUT= ARGS=]
	$(HARNESS) tables --benchmark $(BENCHMARK) --seed $(SEED) --seeds $(SEEDS) \
	  $(TO) $(if $(SET),--set $(SET)) $(if $(SAMPLE),--sample $(SAMPLE)) $(ARGS)

search: $(READY) ## A proxy finds an architecture: make search PROXY='vkdnw_agg az_nas' [BENCHMARK= DATASET= ALGORITHM= ITERATIONS= POPULATION= MAX_FLOPS= SEEDS= OUT= ARGS=]
	$(HARNESS) search $(PROXY) --space $(BENCHMARK) --dataset $(DATASET) $(ALGORITHM:%=--algorithm %) \
	  --iterations $(ITERATIONS) --population $(POPULATION) $(if $(MAX_FLOPS),--max-flops $(MAX_FLOPS)) --seeds $(SEEDS) $(TO) $(ARGS)

setup-train: $(READY_TRAIN) ## Make .venv-train: the harness and what training needs, another torch of 5 GB

docs: $(READY_DEV) ## The pages as HTML in docs/_build/html; a warning is an error
	$(VENV)/bin/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

test: lint typecheck unit unit-train docs check ## Lint, type check, all tests, the pages, and the regression check

lint: $(READY_DEV) ## ruff
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

typecheck: $(READY_DEV) ## mypy, strict
	$(VENV)/bin/mypy

unit: $(READY_OFFICIAL) ## pytest, with doctests
	$(VENV)/bin/python -m pytest

unit-train: $(READY_TRAIN) ## pytest of what trains, in .venv-train
	$(VENV_TRAIN)/bin/python -m pytest tests/harness/training harness/training

check: $(READY) ## Golden scores and tau of every proxy on 64 cells; UPDATE=1 rewrites the baseline
	$(HARNESS) check $(if $(UPDATE),--update) $(ARGS)

bench: $(READY_DEV) ## Speed, in forward passes and against literal versions: make bench [ARGS='--space nasbench201 --against ../older']
	$(VENV)/bin/python -m tests.bench $(ARGS)

# Samples are nested: whoever has a GPU runs `make tables SAMPLE=all SEEDS=5 ARGS='--device cuda'`.
METHODS = vkdnw vkdnw_agg te_nas grad_norm grasp snip synflow nwot zen gradsign zico
# A batch of 64 would take days on NAS-Bench-101: these networks are ten times heavier.
BATCH101 = 8,vkdnw=16,vkdnw_exact=16,nwot=16,te_nas=4
SEARCHES = random params vkdnw vkdnw_agg az_nas
COMMITTED = results
INTO = --out $(COMMITTED) $(if $(FORCE),--force)
results: $(READY_PREDICT) ## Regenerate what is committed under results/ (a day on two cores)
	$(HARNESS) eval vkdnw vkdnw.entropy vkdnw_exact vkdnw_exact.entropy nwot synflow --sample 1000 --only $(INTO) $(ARGS)
	$(HARNESS) score $(METHODS) plain fisher epe_nas l2_norm --dataset cifar10 --sample 800 --batch-size 64,te_nas=32 $(ARGS)
	$(HARNESS) score $(METHODS) plain fisher epe_nas l2_norm --dataset cifar100 --sample 200 --batch-size 64,te_nas=32 $(ARGS)
	$(HARNESS) score $(METHODS) plain fisher epe_nas l2_norm --dataset ImageNet16-120 --sample 300 $(ARGS)
	$(HARNESS) tables --no-score --sample 800 $(INTO)
	$(HARNESS) eval params flops layers --benchmark nasbench101 --sample all --label sizes --only $(INTO)
	$(HARNESS) eval $(METHODS) az_nas vkdnw.entropy vkdnw_exact jacov plain fisher epe_nas l2_norm --benchmark nasbench101 --sample 500 --batch-size $(BATCH101) --only $(INTO) $(ARGS)
	$(HARNESS) search $(SEARCHES) --iterations 200 --population 32 --seeds 5 $(INTO) $(ARGS)
	$(HARNESS) search random params vkdnw az_nas --dataset ImageNet16-120 --iterations 100 --population 32 --seeds 3 $(INTO) $(ARGS)
	$(HARNESS) search random params layers synflow --space nasbench101 --iterations 200 --population 32 --seeds 5 $(INTO) $(ARGS)
	$(HARNESS) search params vkdnw_agg az_nas --space mobilenetv2 --dataset imagenet-64-10 --iterations 300 --population 64 --max-flops 450e6 --max-layers 14 --batch-size 16 $(INTO) $(ARGS)
	$(HARNESS) search vkdnw.entropy --algorithm walk --space uninas --dataset imagenet-32 --iterations 150 --seed 1 --max-params 30e6 --batch-size 8 $(INTO) $(ARGS)
	$(HARNESS) build $(COMMITTED)/uninas/imagenet-32/search/winners/walk_vkdnw.entropy_1.json --dataset imagenet --save $(COMMITTED)/uninas/imagenet-32/search/winner.json --draw $(COMMITTED)/uninas/imagenet-32/search/winner

# Short trainings of 40 cells on real images, as ground truth and as a proxy (an hour on two cores).
LITTLE = $(COMMITTED)/nasbench201/truth/truth.csv
AGAINST_LITTLE = params flops layers vkdnw vkdnw_agg az_nas nwot synflow zico grad_norm jacov
truth: $(READY) $(READY_TRAIN) ## Train a little: ground truth of our own, and how it ranks beside proxies
	$(VENV_TRAIN)/bin/harness truth make --data cifar10 --cells 40 --epochs 6 --seeds 2 --batch-size 64 --out $(LITTLE)
	$(HARNESS) truth scores $(LITTLE) --name train_little --out $(COMMITTED)/nasbench201/truth/twice.json
	$(HARNESS) truth scores $(LITTLE) --name train_little --seed 0 --out $(COMMITTED)/nasbench201/truth/once.json
	$(HARNESS) import-scores $(COMMITTED)/nasbench201/truth/twice.json
	$(HARNESS) import-scores $(COMMITTED)/nasbench201/truth/once.json
	$(HARNESS) eval train_little@twice train_little@once $(AGAINST_LITTLE) --archs $(COMMITTED)/nasbench201/truth/twice.txt --against train_little@twice --label train_little --only $(INTO) $(ARGS)
	$(HARNESS) eval $(AGAINST_LITTLE) --truth $(LITTLE) --label own_truth --only $(INTO) $(ARGS)

clean: ## Remove .venv and caches; results stay
	rm -rf $(VENV) $(VENV_TRAIN) .mypy_cache .ruff_cache .pytest_cache .hypothesis build docs/_build docs/proxies *.egg-info
