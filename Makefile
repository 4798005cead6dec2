# One command for people and for CI alike. `make` alone says what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.ready

# Telemetry of every library is off in what we start, unless PERENNIAL_TELEMETRY=true.
ifneq ($(PERENNIAL_TELEMETRY),true)
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
endif
# Threads that wait for each other cost more than they save on the small batches of a turn, and one thread sums alike everywhere.
export OMP_NUM_THREADS ?= 1
# Five thousand modules are compiled once, and not by every process anew, which costs each of them eight seconds.
export PYTHONDONTWRITEBYTECODE :=
# Processes that share the tests, a file at a time; 0 runs them in one. One more than two cores, since servers are waited for.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup check test demo problem reproduce doctor loop labels up serve traffic evidently deploy turn replay retrain revert rollback approve pause resume operator adopt history quality worth improve diagnose backlog errors staleness bench-drift bench-diagnosis feedback verify contract data skew archive erase drills evidence prove bench bench-gateway bench-data lock clean timeline screenshots backup restore score undeploy retire

help: ## what can be done here; ARGS=--json makes a command print one JSON document
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1|/' | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

setup: $(SETUP) ## .venv with the locked versions

$(SETUP): requirements.lock .bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Perennial needs Python 3.11 to 3.13, and {sys.executable} is {v[0]}.{v[1]}. Choose another: make setup PYTHON=python3.12")'
	@echo "setting up $(VENV) with the versions in requirements.lock" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .bootstrap.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

check: $(SETUP) ## lint, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# In the order of their folders, servers and turns first: sorted by how many tests it has, a long file of few comes last and alone.
test: $(SETUP) ## every test (PERENNIAL_DATA=folder adds the real tables)
	@PERENNIAL_FIGURES=test $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

doctor: $(SETUP) ## what to fix before the first turn: PROBLEM=fraud
	@$(BIN)/python -m flows doctor $(PROBLEM) $(ARGS)

demo: $(SETUP) ## a compressed year of card payments through the real loop
	@$(BIN)/python -m deployments demo $(ARGS)

problem: $(SETUP) ## a first draft from a table: NAME=churn DATA=bookings.csv (TABLE= TARGET= TIME= ENTITY= KEY= FORCE=1)
	@$(BIN)/python -m flows problem "$(NAME)" "$(DATA)" $(if $(TABLE),--table "$(TABLE)") $(if $(TARGET),--target "$(TARGET)") $(if $(TIME),--time "$(TIME)") $(if $(ENTITY),--entity "$(ENTITY)") $(if $(KEY),--key "$(KEY)") $(if $(FORCE),--force) $(ARGS)

loop: $(SETUP) ## replay history: PROBLEM=electricity DATA=path/to/table
	@$(BIN)/python -m deployments loop $(PROBLEM) $(if $(DATA),--data $(DATA)) $(ARGS)

worth: $(SETUP) ## was each retrain worth it? promised against realised gains: PROBLEM=fraud
	@$(BIN)/python -m flows worth $(PROBLEM) $(ARGS)

improve: $(SETUP) ## a night of experiments, whose winner goes to the gates: PROBLEM=spam ARGS="--experiments 20"
	@$(BIN)/python -m flows improve $(PROBLEM) $(if $(DATA),--data $(DATA)) $(ARGS)

diagnose: $(SETUP) ## what keeps the recipe in place from being better, as a page, and what to try next: PROBLEM=spam
	@$(BIN)/python -m flows diagnose $(PROBLEM) $(if $(DATA),--data $(DATA)) $(ARGS)

backlog: $(SETUP) ## what could be tried next; ARGS="--veto NAME --first NAME" is your word on it: PROBLEM=spam
	@$(BIN)/python -m flows backlog $(PROBLEM) $(ARGS)

errors: $(SETUP) ## which rows the newest experiment got wrong, by tag and slice: PROBLEM=fraud
	@$(BIN)/python -m flows errors $(PROBLEM) $(ARGS)

reproduce: $(SETUP) ## rebuild a run's model from its frozen rows, and prove it equal: RUN=MLflow id
	@$(BIN)/python -m flows reproduce $(RUN) $(ARGS)

staleness: $(SETUP) ## how fast models lose with age: PROBLEM=electricity DATA=path/to/table
	@$(BIN)/python -m flows staleness $(PROBLEM) $(if $(DATA),--data $(DATA)) $(ARGS)

labels: $(SETUP) ## what the labels are worth: PROBLEM=fraud DATA=path/to/table
	@$(BIN)/python -m flows labels $(PROBLEM) $(if $(DATA),--data $(DATA)) $(ARGS)

up: $(SETUP) ## Prefect, MLflow and the deployments, until Ctrl-C
	@exec $(BIN)/python -m deployments up $(ARGS)

serve: $(SETUP) ## the model server of one problem: PROBLEM=fraud PORT=8000
	@exec $(BIN)/python -m deployments.gateway $(PROBLEM) $(if $(PORT),--port $(PORT)) $(ARGS)

traffic: $(SETUP) ## its table as live requests with late labels: PROBLEM=fraud RATE=200
	@$(BIN)/python -m deployments traffic $(PROBLEM) $(if $(RATE),--rate $(RATE)) $(ARGS)

evidently: $(SETUP) ## Evidently's own pages over every window's report, until Ctrl-C: PORT=8085
	@exec $(BIN)/python -m deployments evidently $(if $(PORT),--port $(PORT)) $(ARGS)

deploy: $(SETUP) ## register deployments, schedules and automations on the Prefect server
	@$(BIN)/python -m deployments deploy $(ARGS)

undeploy: $(SETUP) ## remove from the Prefect server what this clone has deployed there
	@$(BIN)/python -m deployments undeploy $(ARGS)

score: $(SETUP) ## score a file or a window, each row once: PROBLEM=fraud FILE=requests.csv (or SINCE= UNTIL=; REQUEST= OUT=)
	@$(BIN)/python -m flows score $(PROBLEM) $(if $(FILE),--file "$(FILE)") $(if $(SINCE),--since "$(SINCE)") $(if $(UNTIL),--until "$(UNTIL)") $(if $(REQUEST),--request "$(REQUEST)") $(if $(OUT),--out "$(OUT)") $(ARGS)

turn: $(SETUP) ## turn the crank once, now: PROBLEM=fraud
	@$(BIN)/python -m flows turn $(PROBLEM) $(ARGS)

replay: $(SETUP) ## its last days, in a home beside the live loop: PROBLEM=fraud DAYS=90 NAME=latest
	@$(BIN)/python -m flows replay $(PROBLEM) $(if $(DAYS),--days $(DAYS)) $(if $(NAME),--name "$(NAME)") $(ARGS)

retrain: $(SETUP) ## ask for a retrain: PROBLEM=fraud REASON="..."
	@$(BIN)/python -m flows retrain $(PROBLEM) --reason "$(REASON)" $(ARGS)

revert: $(SETUP) ## restore the previous champion: PROBLEM=fraud REASON="..."
	@$(BIN)/python -m flows revert $(PROBLEM) --reason "$(REASON)" $(ARGS)

rollback: $(SETUP) ## revert now, and see it serve: PROBLEM=fraud REASON="..." URL=http://127.0.0.1:8000
	@$(BIN)/python -m deployments rollback $(PROBLEM) --reason "$(REASON)" $(if $(URL),--url $(URL)) $(ARGS)

approve: $(SETUP) ## approve the stage that waits for a person, or ARGS=--reject: PROBLEM=fraud REASON="..."
	@$(BIN)/python -m flows approve $(PROBLEM) --reason "$(REASON)" $(ARGS)

pause: $(SETUP) ## let nothing of a problem go forward: PROBLEM=fraud REASON="..." DAYS=7
	@$(BIN)/python -m flows pause $(PROBLEM) --reason "$(REASON)" $(if $(DAYS),--days $(DAYS)) $(ARGS)

resume: $(SETUP) ## end a pause: PROBLEM=fraud REASON="..."
	@$(BIN)/python -m flows resume $(PROBLEM) --reason "$(REASON)" $(ARGS)

operator: $(SETUP) ## a token that proves a name to the ledger: NAME=ana
	@$(BIN)/python -m flows operator "$(NAME)" $(ARGS)

retire: $(SETUP) ## end the rollout of a problem whose file is gone: PROBLEM=old REASON="..."
	@$(BIN)/python -m flows retire $(PROBLEM) --reason "$(REASON)" $(ARGS)

adopt: $(SETUP) ## start from a model of yours: PROBLEM=fraud MODEL=path/or/models:/uri
	@$(BIN)/python -m flows adopt $(PROBLEM) "$(MODEL)" $(ARGS)

history: $(SETUP) ## what served when, and why: PROBLEM=fraud
	@$(BIN)/python -m flows history $(PROBLEM) $(ARGS)

timeline: $(SETUP) ## its life as a picture, as a page or OUT=file.svg: PROBLEM=fraud
	@$(BIN)/python -m flows timeline $(PROBLEM) $(if $(OUT),--out "$(OUT)") $(ARGS)

quality: $(SETUP) ## what each cohort of rows showed, with every revision by late labels: PROBLEM=fraud
	@$(BIN)/python -m flows quality $(PROBLEM) $(ARGS)

verify: $(SETUP) ## prove that the ledger is whole
	@$(BIN)/python -m flows verify $(ARGS)

contract: $(SETUP) ## what a changed contract would refuse, beside the recorded one: PROBLEM=fraud
	@$(BIN)/python -m flows contract $(PROBLEM) $(ARGS)

data: $(SETUP) ## fetch a problem's public table: PROBLEM=electricity
	@$(BIN)/python -m flows data $(PROBLEM) $(ARGS)

skew: $(SETUP) ## are the features that clients send those of the table? PROBLEM=fraud
	@$(BIN)/python -m flows skew $(PROBLEM) $(ARGS)

feedback: $(SETUP) ## what a model's own decisions make of its data: PROBLEM=fraud
	@$(BIN)/python -m flows feedback $(PROBLEM) $(ARGS)

archive: $(SETUP) ## keep requests only as long as the plan says: PROBLEM=fraud
	@$(BIN)/python -m flows archive $(PROBLEM) $(ARGS)

# Without ENTITY it is read from standard input: a command line stands in the list of processes, and in a history.
erase: $(SETUP) ## remove one entity from the prediction log: PROBLEM=fraud ENTITY=123 REASON="..."
	@$(BIN)/python -m flows erase $(PROBLEM) --entity="$(or $(ENTITY),-)" --reason "$(REASON)" $(ARGS)

backup: $(SETUP) ## all state as one file, while turns run: TO=folder-or-file
	@$(BIN)/python -m deployments backup $(if $(TO),"$(TO)") $(ARGS)

restore: $(SETUP) ## bring a backup's state back, verified first: FROM=file (FORCE=1 replaces what is there)
	@$(BIN)/python -m deployments restore $(if $(FROM),"$(FROM)") $(if $(FORCE),--force) $(ARGS)

drills: $(SETUP) ## plant faults and require the right verdicts: PROBLEM=fraud
	@$(BIN)/python -m flows drills $(PROBLEM) $(if $(DATA),--data $(DATA)) $(ARGS)

evidence: $(SETUP) ## false-positive rates and power of every sequential test, as a page
	@$(BIN)/python -m tests.proofs.evidence $(ARGS)

prove: $(SETUP) ## the full judging of one part: NAME=evidence
	@$(BIN)/python -m tests.proofs $(NAME) $(ARGS)

screenshots: $(SETUP) ## the README's pictures of the Prefect UI, anew (wants the extra `browser` and a Chromium)
	@$(BIN)/python -m tests.screenshots $(ARGS)

bench: $(SETUP) ## what a turn costs, against a bare script
	@$(BIN)/python -m tests.benchmarks.turn_cost $(ARGS)

bench-gateway: $(SETUP) ## requests a second and latency, against mlflow models serve
	@$(BIN)/python -m tests.benchmarks.gateway_speed $(ARGS)

bench-data: $(SETUP) ## contract and profile of 100 million rows in the engine, against pandas
	@$(BIN)/python -m tests.benchmarks.contract_speed $(ARGS)

bench-drift: $(SETUP) ## the drift verdict of a million rows, against Evidently's preset; 100 million in the engine
	@$(BIN)/python -m tests.benchmarks.drift_speed $(ARGS)

bench-diagnosis: $(SETUP) ## what diagnosing an experiment costs, beside its fits
	@$(BIN)/python -m tests.benchmarks.diagnosis_cost $(ARGS)

lock: $(SETUP) ## resolve every version anew, with hashes and without host names
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras pyproject.toml -o requirements.lock $(ARGS)
	@echo "uv" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate - -o .bootstrap.lock

clean: ## forget all runs, models and state (.perennial)
	@$(PYTHON) -c 'import os, shutil; shutil.rmtree(os.environ.get("PERENNIAL_HOME", ".perennial"), ignore_errors=True)'
