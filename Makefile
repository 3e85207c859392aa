# make demo    the embedded demo, from nothing to a report      make test    every check
# make .venv   the environment alone                            make clean   remove results and environment
# make predict FOLDER=...   a report on one's own recordings    make ship    train the bundle of models/mitdb again
# make faults  kills, damage and hostile inputs, each judged (docs/reliability.md)
# make docs    config/config.yaml and its tables                  make docs-site   the pages as a site, site/index.html
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
INSTALLED := .venv/.installed
DEVELOPMENT := .venv/.development
DOCUMENTS := .venv-docs

# What is given to `make predict`, as one word of the shell whatever is in it.
FOLDER ?=
NAME ?=
BUNDLE ?= models/mitdb
quoted = '$(subst ','\'',$(1))'

.PHONY: demo predict ship faults test lint types unit science workflow docs docs-site clean .venv

demo: $(INSTALLED)
	@$(BIN)/snakemake --cores $(CORES)
	@echo "The report: results/demo/report.html"

# FOLDER may lie anywhere and holds WFDB records; NAME names the run where the folder's name won't do.
predict: $(INSTALLED)
	@config=$$(PYTHONPATH=src $(BIN)/python scripts/predict_folder.py --folder $(call quoted,$(FOLDER)) \
	    --name $(call quoted,$(NAME)) --bundle $(call quoted,$(BUNDLE))) \
	  && $(BIN)/snakemake --cores $(CORES) --configfile "$$config" \
	  && echo "The report: $${config%/*}/report.html"

# From the records of MIT-BIH to the bundle that comes along and its card. The card's part on databases that the model
# never saw needs ptb-xl and challenge-2021 beside mitdb, and is left out without them.
ship: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) --configfile config/mitdb.yaml
	rm -rf results/mitdb/unseen
	-PYTHONPATH=src $(BIN)/python benchmarks/unseen_databases.py "$${BEATLENS_DATA:-data}" \
	  --bundle results/mitdb/model/bundle --output results/mitdb/unseen
	PYTHONPATH=src $(BIN)/python scripts/ship_bundle.py --run results/mitdb --output models/mitdb

# The campaign of faults, over a tiny run of its own, in half an hour on two cores. FAULTS=--quick tries a sample.
FAULTS ?=
faults: $(INSTALLED)
	PYTHONPATH=src:benchmarks $(BIN)/python -m faults --output results/faults $(FAULTS)

.venv: $(INSTALLED)

# The package is installed from this folder, as it stands: what it needs is there by then, so nothing is resolved again.
# Stamps, since a folder that exists doesn't tell whether the installation into it came to its end.
$(INSTALLED): envs/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(INSTALLED) envs/requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement envs/requirements-dev.txt
	@touch $@

# One call of pytest, so that its closing line counts every test.
test: $(DEVELOPMENT)
	$(MAKE) -j 2 lint types
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PYTHONPATH=src $(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/snakemake --lint

types: $(DEVELOPMENT)
	$(BIN)/mypy

unit science workflow: $(DEVELOPMENT)
	$(BIN)/python -m pytest tests/$@

# What stands in the settings of src/beatlens is written out: the schema, config/config.yaml and config/README.md.
docs: $(INSTALLED)
	PYTHONPATH=src $(BIN)/python scripts/document_config.py --schema workflow/schemas/config.schema.json \
	  --defaults config/config.yaml --page config/README.md

# Without network; mkdocs and what it needs stay out of .venv.
docs-site: $(DOCUMENTS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCUMENTS)/bin/mkdocs build --quiet --strict
	@echo "The pages: site/index.html"

$(DOCUMENTS)/.installed: envs/requirements-docs.txt
	$(PYTHON) -m venv $(DOCUMENTS)
	$(DOCUMENTS)/bin/python -m pip install --quiet --requirement envs/requirements-docs.txt
	@touch $@

clean:
	rm -rf results/* .snakemake .venv $(DOCUMENTS) site
