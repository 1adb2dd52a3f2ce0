# Needs only python3 with pip, git and make; installs uv into .uv/ and everything else into .venv/.

PYTHON ?= python3
UV ?= $(or $(shell command -v uv),.uv/bin/uv)
UV_VERSION := 0.13.9
RUN := $(UV) run --frozen --no-sync
FUZZ_PYTHON ?= 3.12
FUZZ_SECONDS ?= 600
VERIFY_SHORT ?= --only "all of these together" "SIGKILL in every stage"
# The first is the reference for the others.
STRATEGIES ?= baseline balanced
# Or a key of params.yaml and its values, such as train.learning_rate=0.001,0.0005.
VARY ?=
FOLDS ?= 5
SEEDS ?= 1 2 3
JOBS ?= 1
FORMATS ?= tflite onnx

.PHONY: run setup setup-dev compare cross-validate publish-check export verify verify-short \
	verify-processors test test-long test-corpora fuzz bench-oversample bench-training-input audit \
	docs lint check
.DEFAULT_GOAL := run

run: check  ## run the stages that have changed, and print the answer
	$(RUN) dvc repro
	@cp outputs/model_card.md models/README.md
	@echo
	@$(RUN) python -X utf8 -m ballast answer

setup: .venv/.ready  ## install everything into .venv/
	@if ! git rev-parse --git-dir >/dev/null 2>&1; then $(RUN) dvc config --local core.no_scm true; \
	elif grep -q no_scm .dvc/config.local 2>/dev/null; then \
	$(RUN) dvc config --local --unset core.no_scm; fi

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen
	@touch $@

setup-dev: .venv/.ready-dev  ## also install what tests, lint and exports need

.venv/.ready-dev: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --group dev
	@touch .venv/.ready $@

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

export: check  ## export the model to LiteRT and ONNX, into exports/
	$(UV) sync --frozen --inexact --group export
	$(RUN) dvc repro train
	$(RUN) python -m stages.export $(FORMATS)

compare: check  ## train each of STRATEGIES, or with each value of VARY, and compare them
	$(RUN) python -X utf8 -m ballast compare $(if $(VARY),--vary "$(VARY)",--train $(STRATEGIES))
	$(if $(VARY),,$(RUN) dvc plots diff --out outputs/plots $(STRATEGIES))

cross-validate: check  ## test STRATEGIES on every photograph: FOLDS folds, SEEDS, JOBS at a time
	$(RUN) python -X utf8 -m ballast cross-validate --strategies $(STRATEGIES) --folds $(FOLDS) \
	--seeds $(SEEDS) --jobs $(JOBS)

publish-check: setup  ## check that git, dvc.lock, the workspace and the cache agree before a push
	$(RUN) python -X utf8 -m ballast publish-check

verify: setup  ## run HEAD under conditions that must not change a byte, and compare
	$(RUN) python -m verification

verify-short: setup  ## run the rows of make verify that vary the most at once
	$(RUN) python -m verification $(VERIFY_SHORT)

verify-processors: setup  ## run HEAD as on other processors, some of them emulated; needs qemu-user
	$(RUN) python -m verification --processors

test: setup-dev  ## run the tests
	$(RUN) pytest -m "not long" --numprocesses 2 --dist loadfile

test-long: setup-dev  ## run the tests that take minutes
	$(RUN) pytest -m long

test-corpora: setup-dev  ## inspect every file of FOLDER, such as another library's test images
	PYTHONPATH=. $(RUN) python -X utf8 tests/corpora.py "$(FOLDER)"

fuzz: | $(UV)  ## feed broken images to the decoder for FUZZ_SECONDS; needs a Python 3.12 to 3.14
	PYTHONPATH=. $(UV) run --isolated --frozen --python $(FUZZ_PYTHON) --only-group images \
	--only-group pipeline --with atheris==3.1.0 \
	python tests/fuzz_images.py .fuzz -max_total_time=$(FUZZ_SECONDS)

bench-%: setup  ## run a benchmark on the photographs of DATA; benchmarks/README.md lists them
	$(RUN) python -m benchmarks.$(subst -,_,$*) $(if $(DATA),--data $(DATA))

bench-oversample: setup  ## measure oversampling against its peers, on the photographs of DATA
	$(UV) run --frozen --inexact --group peers python -m benchmarks.oversampling --data $(DATA)

bench-training-input: setup  ## measure the training input against imbalanced-learn's
	$(UV) run --frozen --inexact --group peers python -m benchmarks.training_input

audit: setup  ## check the locked packages for known vulnerabilities; needs the network
	$(UV) audit --frozen

pretrained: setup  ## make pretrained/efficientnet_lite0.npz again from its origin; fail where it differs
	$(UV) run --frozen --inexact --group pretrained python -X utf8 -m pretrained.make_efficientnet_lite0

docs: setup  ## write docs/params.md and docs/commands.md from the code
	$(RUN) python -X utf8 -m docs.reference

lint: setup-dev  ## check style, types and the workflows
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	if [ -e .venv/bin/zizmor ]; then $(RUN) zizmor --offline --quiet .github/workflows; fi
