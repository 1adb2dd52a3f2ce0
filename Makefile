# Needs only python3 with pip, git and make; installs uv into .uv/ and everything else into .venv/.

PYTHON ?= python3
UV ?= $(or $(shell command -v uv),.uv/bin/uv)
UV_VERSION := 0.13.9
RUN := $(UV) run --frozen --no-sync
# The first is the reference for the others.
STRATEGIES ?= baseline balanced
FOLDS ?= 5
SEEDS ?= 1 2 3
JOBS ?= 1
FORMATS ?= tflite onnx

.PHONY: run setup compare cross-validate publish-check export audit check
.DEFAULT_GOAL := run

run: check  ## run the stages that have changed, and show the metrics
	$(RUN) dvc repro
	@cp outputs/model_card.md models/README.md
	$(RUN) dvc metrics show outputs/metrics.json

setup: .venv/.ready  ## install everything into .venv/
	@git rev-parse --git-dir >/dev/null 2>&1 || $(RUN) dvc config --local core.no_scm true

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m pip install --quiet --target .uv uv==$(UV_VERSION) \
	|| { $(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet uv==$(UV_VERSION); } \
	|| { echo "ERROR: $(PYTHON) has neither pip nor venv; install one of them, or uv" >&2; exit 1; }

check: setup  ## check params.yaml, the photographs and DVC's own files
	$(RUN) python -X utf8 -m ballast check

export: check  ## export the model to LiteRT and ONNX, into exports/
	$(UV) sync --frozen --inexact --group export
	$(RUN) dvc repro train
	$(RUN) python -m stages.export $(FORMATS)

compare: check  ## run each of STRATEGIES as an experiment, and compare them
	@git rev-parse --verify --quiet HEAD >/dev/null \
	|| { echo "ERROR: make compare needs a git repository with a commit, where DVC keeps its" \
	"experiments: git init && git add . && git commit -m start" >&2; exit 1; }
	@[ "$$(git rev-parse --is-shallow-repository)" = false ] \
	|| { echo "ERROR: this clone is shallow, and DVC cannot run experiments in it; run git fetch" \
	"--unshallow" >&2; exit 1; }
	set -e; for strategy in $(STRATEGIES); do \
	  $(RUN) dvc exp run --force --name $$strategy --set-param strategy=$$strategy \
	  --set-param cross_validation.test_folder=true; \
	done
	$(RUN) python -X utf8 -m ballast compare $(STRATEGIES)
	$(RUN) dvc plots diff --out outputs/plots $(STRATEGIES)

cross-validate: check  ## test STRATEGIES on every photograph: FOLDS folds, SEEDS, JOBS at a time
	$(RUN) python -X utf8 -m ballast cross-validate --strategies $(STRATEGIES) --folds $(FOLDS) \
	--seeds $(SEEDS) --jobs $(JOBS)

publish-check: setup  ## check that git, dvc.lock, the workspace and the cache agree before a push
	$(RUN) python -X utf8 -m ballast publish-check

audit: setup  ## check the locked packages for known vulnerabilities; needs the network
	$(UV) audit --frozen

# Not there in a copy that ballast init wrote.
-include developers.mk
