# GNU make 3.81 and up (macOS ships 3.81). The project's own path must hold no spaces: make cannot name such files.
SHELL := /bin/bash
PYTHON ?= python3
ADAPTER ?= finished
AIRFLOW ?= 3.2.1
QLORA ?= 0
BIN := .venv/bin
REQUIREMENTS := $(sort $(wildcard requirements*.txt)) constraints.txt requirements.lock
UV := uv==0.13.9

# The stamp is written last, so a half-made .venv has none and is made again. Its name changes with the requirements
# and with the folder (a moved .venv holds the old path in its scripts).
STAMP := .venv/.complete-$(shell (pwd; cat $(REQUIREMENTS)) | cksum | cut -d ' ' -f 1)

export PYTHONPATH := $(CURDIR)
# uv does not read pip's settings, so pass on the ones that name another place for packages. Where several indexes have
# a package, the pinned version counts, whichever index has it.
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_INDEX_STRATEGY ?= unsafe-best-match

.PHONY: help demo demo-fine-tune down test coverage test-endurance test-policies test-calls test-events test-compose test-training test-fine-tune test-faults test-soak test-clients test-browser test-versions mwaa check lock format

help: ## List these commands
	@awk -F ' *## *' '/^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "make %-15s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## Import the demo model end to end on this machine, then leave the UI up (ADAPTER=early: the weaker adapter)
	@$(BIN)/python -m include.demo.run --adapter $(ADAPTER)

demo-fine-tune: $(STAMP) ## Train the demo model's adapter on its training set, import and score it (QLORA=1: QLoRA in two processes)
	@$(BIN)/python -m include.demo.run --fine-tune $(if $(filter 1,$(QLORA)),--qlora)

down: ## Stop everything that make demo started, and nothing else
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m include.demo.run --down; else echo "Nothing to stop: there is no .venv."; fi

# The real Airflow waits half of the time, so three workers keep two cores busy; its tests take longest and begin first.
TESTS := -n 3 --no-loadscope-reorder --ignore tests/long --ignore tests/faults

test: $(STAMP) ## Run all tests: unit, dags, integration, and end to end through a real Airflow
	$(BIN)/python -m pytest $(TESTS)

coverage: $(STAMP) ## Run the same tests, then list what of the product's code none of them ran in pytest's own processes
	$(BIN)/python -m pytest $(TESTS) --cov --cov-report term:skip-covered

test-endurance: $(STAMP) ## Fuzz checkpoints, kill conversions, merges and uploads, merge all kinds of adapters, play histories of a model: half an hour
	$(BIN)/python -m tests.support.checkpoint_endurance fuzz --count 100000
	$(BIN)/python -m tests.support.checkpoint_endurance kill --count 50
	$(BIN)/python -m pytest -m slow tests/unit tests/dags tests/integration tests/e2e
	$(BIN)/python -m pytest tests/long/merging
	CHAMPION_HISTORIES=2000 $(BIN)/python -m pytest -o timeout=1800 tests/unit/steps/test_champion_histories.py

test-policies: $(STAMP) ## Take each permission from runner and import role in turn, and see what is refused: some minutes
	$(BIN)/python -m pytest tests/long/policies

test-calls: $(STAMP) ## Have each AWS call of a model's life fail once with each transient answer: half an hour
	$(BIN)/python -m pytest -s -v tests/long/calls

test-events: $(STAMP) ## Land fine-tunes in S3, fifty in a minute, and see what an untouched Airflow makes of it: ten minutes
	$(BIN)/python -m pytest -s -v tests/long/events

test-compose: $(STAMP) ## Run docker-compose.yaml's services as processes: lose workers, import ten models at once (needs PostgreSQL and Redis)
	$(BIN)/python -m pytest -s -v tests/long/compose

test-training: $(STAMP) ## Kill and stop training jobs at random moments, and see that each resumes bit-identical: some minutes
	$(BIN)/python -m pytest -s -v tests/long/training

test-fine-tune: $(STAMP) ## From a data set to an imported model through a real Airflow, and what must not happen twice: half an hour
	$(BIN)/python -m pytest -v tests/long/fine_tune -o timeout=1800

test-faults: $(STAMP) ## Break a real Airflow and the stand-in in every way we know, and write docs/faults.md (an hour)
	$(BIN)/python -m pytest tests/faults -o timeout=900 --faults-report docs/faults.md

test-soak: $(STAMP) ## Queue twenty imports, then import two models over and over for 90 minutes (SOAK_MINUTES), and write docs/soak.md
	$(BIN)/python -m pytest -s tests/long/soak

test-clients: $(STAMP) ## Call a model of the stand-in with the clients of docs/clients.md, installed beside this project: ten minutes
	$(BIN)/python -m pytest -s -v tests/long/clients -o timeout=900

test-browser: $(STAMP) ## Look at the page of imported models in Chromium, with 50 models of 100 versions: some minutes
	$(BIN)/python -m pytest -s tests/long/browser

test-versions: $(STAMP) ## Run the tests of plugins and DAGs and one run end to end on every supported Airflow: twenty minutes
	$(BIN)/python -m pytest -s -v tests/long/airflow_versions

mwaa: ## Lay the project out for Amazon MWAA in build/mwaa (AIRFLOW=3.2.1: the environment's version)
	@$(PYTHON) -m deploy.mwaa --airflow $(AIRFLOW)

check: $(STAMP) ## Check lint, format, types and import boundaries
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=$(CURDIR):$(CURDIR)/plugins:$(CURDIR)/dags $(BIN)/lint-imports

# The CUDA packages of torch are left out, as in constraints.txt; a build of torch that needs them brings them.
lock: $(STAMP) ## Write requirements.lock anew: every pin of constraints.txt with its hashes
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11.5 --generate-hashes --no-annotate \
	  --custom-compile-command 'make lock' --constraints constraints.txt requirements-dev.txt \
	  | awk '/^[a-z0-9]/ { keep = !/^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==/ } /^#/ || keep' > requirements.lock.new
	mv requirements.lock.new requirements.lock

format: $(STAMP) ## Format the code and apply the linter's safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP):
	@$(PYTHON) --version >/dev/null 2>&1 || { echo "$(PYTHON) was not found: install Python 3.11.5 or newer, or name yours: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || { echo "$(PYTHON) is $$($(PYTHON) --version), Python 3.11.5 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing the requirements into .venv: a minute or two, once."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	@# requirements.lock has no torch: which build of it is right depends on the machine and its package index.
	@$(BIN)/python -m uv pip install --quiet --compile-bytecode -r requirements.lock -r requirements-dev.txt -c constraints.txt
	@touch $@
