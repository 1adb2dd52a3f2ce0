# For work on Ballast itself; the Makefile includes it.

FUZZ_PYTHON ?= 3.12
FUZZ_SECONDS ?= 600
VERIFY_SHORT ?= --only "all of these together" "SIGKILL in every stage"

.PHONY: setup-dev verify verify-short verify-processors test test-long test-corpora fuzz \
	bench-oversample bench-training-input pretrained docs lint

setup-dev: .venv/.ready-dev  ## also install what tests, lint and exports need

# uv sync without the group removes its packages, but not the stamp.
.venv/.ready-dev: pyproject.toml uv.lock $(if $(wildcard .venv/bin/ruff),,FORCE) | $(UV)
	$(UV) sync --frozen --compile-bytecode --group dev
	@touch .venv/.ready $@

FORCE:

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
