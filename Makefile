# make demo    the embedded demo, from nothing to a report      make test    every check
# make .venv   the environment alone                            make clean   remove results and environment
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
INSTALLED := .venv/.installed
DEVELOPMENT := .venv/.development

.PHONY: demo test lint types unit science workflow docs clean .venv

demo: $(INSTALLED)
	@$(BIN)/snakemake --cores $(CORES)
	@echo "The report: results/demo/report.html"

.venv: $(INSTALLED)

# beatlens.pth makes the package importable, by a path from site-packages that holds wherever this folder is moved to.
# Stamps, since a folder that exists doesn't tell whether the installation into it came to its end.
$(INSTALLED): envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	@echo ../../../../src > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/beatlens.pth"
	@touch $@

$(DEVELOPMENT): $(INSTALLED) envs/requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement envs/requirements-dev.txt
	@touch $@

# One call of pytest, so that its closing line counts every test.
test: lint types
	$(BIN)/python -m pytest -n 2

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

types: $(DEVELOPMENT)
	$(BIN)/mypy

unit science workflow: $(DEVELOPMENT)
	$(BIN)/python -m pytest tests/$@

# The tables of config/README.md, from the schema.
docs: $(INSTALLED)
	PYTHONPATH=src $(BIN)/python scripts/document_config.py --schema workflow/schemas/config.schema.yaml --output config/README.md

clean:
	rm -rf results/* .snakemake .venv
