# make demo   set up, draw a sample library, index it, open the search page
# make test   set up, run the tests
# make check  ruff and mypy;  make fix  what ruff can mend by itself
PYTHON ?= python3
FAISS ?= faiss# or faiss-gpu: both wheels own the module `faiss`, so one environment holds exactly one of them
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-$(FAISS)

.PHONY: install demo demo-headless test check fix clean
.DEFAULT_GOAL := install

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip uninstall --quiet --yes $(if $(filter faiss,$(FAISS)),faiss-gpu,faiss-cpu)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(FAISS),dev]'
	rm -f $(VENV)/.installed-*
	touch $@
