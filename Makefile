# Needs only python3 with pip, git and make; installs uv into .uv/ and everything else into .venv/.

PYTHON ?= python3
UV ?= $(or $(shell command -v uv),.uv/bin/uv)
UV_VERSION := 0.13.9
RUN := $(UV) run --frozen --no-sync
# The first is the reference for the others.
STRATEGIES ?= baseline balanced
# Or a key of params.yaml and its values, such as augment.zoom=0.1,0.3.
VARY ?=
FOLDS ?= 5
SEEDS ?= 1 2 3
JOBS ?= 1
FORMATS ?= tflite onnx
# Recipes read these from the environment: neither make nor the shell takes a part of one for syntax.
override STRATEGIES := $(value STRATEGIES)
override VARY := $(value VARY)
override FOLDS := $(value FOLDS)
override SEEDS := $(value SEEDS)
override JOBS := $(value JOBS)
override FORMATS := $(value FORMATS)
export STRATEGIES VARY FOLDS SEEDS JOBS FORMATS

.PHONY: run setup compare cross-validate publish-check export audit check
.DEFAULT_GOAL := run

run: check  ## run the stages that have changed, and print the answer
	$(RUN) dvc repro
	@cp outputs/model_card.md models/README.md
	@echo
	@$(RUN) python -X utf8 -m ballast answer --just-run

setup: .venv/.ready  ## install everything into .venv/
	@if ! git rev-parse --git-dir >/dev/null 2>&1; then $(RUN) dvc config --local core.no_scm true; \
	elif grep -q no_scm .dvc/config.local 2>/dev/null; then \
	$(RUN) dvc config --local --unset core.no_scm; fi

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --compile-bytecode  # not in the first run of each stage
	@touch $@

.uv/bin/uv:
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m pip install --quiet --target .uv uv==$(UV_VERSION); \
	elif $(PYTHON) -m venv .uv; then \
	  .uv/bin/python -m pip install --quiet uv==$(UV_VERSION); \
	else echo "ERROR: $(PYTHON) has neither pip nor venv; install one of them, or uv" >&2; exit 1; fi \
	|| { echo "ERROR: pip could not install uv $(UV_VERSION), for the reason above; mend that, or" \
	"install uv yourself" >&2; exit 1; }

check: setup  ## check params.yaml, the photographs and DVC's own files
	$(RUN) python -X utf8 -m ballast check

# check refuses formats of params.yaml whose packages are not installed.
export: setup  ## export the model to LiteRT and ONNX, into exports/
	$(UV) sync --frozen --inexact --group export
	$(RUN) python -X utf8 -m ballast check
	$(RUN) dvc repro train
	$(RUN) python -m stages.export $$FORMATS

compare: check  ## train each of STRATEGIES, or with each value of VARY, and compare them
	$(RUN) python -X utf8 -m ballast compare $(if $(VARY),--vary "$$VARY",--train $$STRATEGIES)
	$(if $(VARY),,$(RUN) dvc plots diff --out outputs/plots $$STRATEGIES)

cross-validate: check  ## test STRATEGIES on every photograph: FOLDS folds, SEEDS, JOBS at a time
	$(RUN) python -X utf8 -m ballast cross-validate --strategies $$STRATEGIES --folds "$$FOLDS" \
	--seeds $$SEEDS --jobs "$$JOBS"

publish-check: setup  ## check that git, dvc.lock, the workspace and the cache agree before a push
	$(RUN) python -X utf8 -m ballast publish-check

audit: setup  ## check the locked packages for known vulnerabilities; needs the network
	$(UV) audit --frozen

# Not there in a copy that ballast init wrote.
-include developers.mk
