# make demo            set up, draw a sample library, index it, open the search page
# make test            set up, run the tests
# make test-arithmetic the tests of what is computed, on the oldest instructions that torch has
# make check           ruff and mypy;  make fix: what ruff can mend by itself
# make demo-headless   the demo with a browser that asks a real query and leaves; for CI
PYTHON ?= python3
# faiss or faiss-gpu. Both wheels own the module `faiss`, so an environment holds exactly one of them.
FAISS ?= faiss
DEMO ?= demo

BIN := .venv/bin
INSTALLED := .venv/.installed-$(FAISS)
OTHER_FAISS := $(if $(filter faiss,$(FAISS)),faiss-gpu,faiss-cpu)

.DEFAULT_GOAL := install
.PHONY: install demo demo-headless test test-arithmetic check fix clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip uninstall --quiet --yes $(OTHER_FAISS)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(FAISS),dev]'
	$(if $(filter faiss-gpu,$(FAISS)),$(BIN)/python -m pip uninstall --quiet --yes faiss-cpu # PaCMAP has brought it)
	$(if $(filter faiss-gpu,$(FAISS)),$(BIN)/python -m pip install --quiet --force-reinstall --no-deps --constraint constraints.txt faiss-gpu)
	rm -f .venv/.installed-*
	touch $@

# Written last, so that an interrupted demo starts again where it stopped.
$(DEMO)/.ready: $(INSTALLED)
	test -d $(DEMO)/pictures || { rm -rf $(DEMO)/drawing && \
	  $(BIN)/stylesearch sample $(DEMO)/drawing && mv $(DEMO)/drawing $(DEMO)/pictures; }
	test -f $(DEMO)/library/library.json || $(BIN)/stylesearch init $(DEMO)/library
	$(BIN)/stylesearch index $(DEMO)/pictures --library $(DEMO)/library
	touch $@

demo: $(DEMO)/.ready
	$(BIN)/stylesearch ui --library $(DEMO)/library

demo-headless: $(DEMO)/.ready
	$(BIN)/python tests/demo_in_browser.py $(DEMO)

# Bytecode is kept whatever the caller's environment says: tests start hundreds of processes.
test: $(INSTALLED)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Sums come out a last bit apart on another processor. Without AVX and on one thread they differ most from what a
# machine of today computes, so what holds here and in `make test` holds in between.
ARITHMETIC := appearance atlas bench_metrics bench_ranking bench_regions calibration compact descriptors encoder_lite \
  encoder_masked encoder_statistics encoder_styleexpert encoder_threads encoder_timm explain losses losses_cached \
  losses_ranks masking_composites masking_embedded masking_fill masking_regions processors regions renderers \
  training_data training_shards training_transfer transfer_flux transfer_flux_lora transfer_flux_tokens transfer_leak \
  transfer_preview transfer_styleexpert vectors

test-arithmetic: $(INSTALLED)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
	  $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARITHMETIC:%=tests/test_%.py)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv $(DEMO) *.egg-info .mypy_cache .pytest_cache .ruff_cache
