# Every target sets up what it needs; a second run finds it done. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?=
AS_OF ?= 2026-01-01
DAG ?= nightly_recommendations
AIRFLOW_PORT ?= 8080
KILLS ?= 20
DAYS ?= 14
SEED ?= 1
SIZE ?= M
KIND ?= items

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYSPARK_PYTHON ?= $(CURDIR)/.venv/bin/python
# Small Spark jobs are mostly start-up, and the quick compiler saves a third of it.
export SPARK_SUBMIT_OPTS ?= -XX:TieredStopAtLevel=1 -XX:+UseSerialGC

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up ---------------------------------------------------------------------------------------

.PHONY: setup
setup: java .venv/.ready ## install everything: Java where it is missing, .venv from pyproject.toml

.PHONY: java
java: ## check for Java 17 or newer and OpenMP; install them where apt-get and root allow
	@# grep -q would end at the first match, and ldconfig with SIGPIPE.
	if ! ldconfig -p 2>/dev/null | grep -c libgomp.so.1 >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	    echo "installing OpenMP with apt-get"
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libgomp1; } || true
	fi
	java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"
	recent() { [ "$$("$$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" -ge 17 ] 2>/dev/null; }
	if recent; then exit 0; fi
	if [ -z "$${JAVA_HOME:-}" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	    echo "installing Java with apt-get"
	    export DEBIAN_FRONTEND=noninteractive
	    apt-get update -qq || true
	    apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless ||
	        apt-get install -y -qq --no-install-recommends default-jre-headless || true
	fi
	if ! recent; then
	    echo "error: no Java 17 or newer at '$$java': install openjdk-17-jre-headless or point JAVA_HOME to one" >&2
	    exit 1
	fi

.venv/.ready: pyproject.toml constraints.txt
	@suits() { "$$1" -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12)])' 2>/dev/null; }
	if [ ! -x .venv/bin/python ]; then
	    for python in $(or $(PYTHON),python3.11 python3.12 python3); do
	        if suits "$$python"; then "$$python" -m venv .venv || rm -rf .venv; break; fi
	    done
	fi
	if [ ! -x .venv/bin/python ]; then
	    echo "error: no Python 3.11 or 3.12 with its venv module: install one or name it: make setup PYTHON=path" >&2
	    exit 1
	fi
	echo "installing the packages of constraints.txt into .venv"
	begin=$$SECONDS said=$$SECONDS found=0 doing="asking the package index"
	say() { said=$$SECONDS; printf '%4d s  %s\n' $$((SECONDS - begin)) "$$doing"; }
	progress() {
	    local line ended
	    while true; do
	        line='' ended=0
	        IFS= read -r -t 10 line || ended=$$?
	        # Above 128 nothing came in time.
	        [ $$ended = 0 ] || [ $$ended -gt 128 ] || break
	        case $$line in
	            Collecting*) found=$$((found + 1)) doing="$$found of $(words $(shell cat constraints.txt)) packages found" ;;
	            'Installing collected'*) doing="unpacking $$found packages"; say ;;
	            'Successfully installed'*) doing="$$found packages installed"; say ;;
	        esac
	        if [ $$((SECONDS - said)) -ge 10 ]; then say; fi
	    done
	}
	PYTHONUNBUFFERED=1 .venv/bin/python -m pip install --disable-pip-version-check --no-input \
	    --progress-bar off --constraint constraints.txt --editable '.[airflow,sandbox,dev]' \
	    2> .venv/setup.log | progress || { tail -n 20 .venv/setup.log >&2; exit 1; }
	touch $@

# --- the demo and Airflow -------------------------------------------------------------------------

demo dag airflow: export AIRFLOW_HOME := $(CURDIR)/.airflow
demo dag airflow: export AIRFLOW__CORE__DAGS_FOLDER := $(CURDIR)/dags
demo dag airflow: export AIRFLOW__CORE__LOAD_EXAMPLES := False
# Its services and its commands write to one SQLite file, and wait for each other.
demo dag airflow: export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN := sqlite:///$(CURDIR)/.airflow/airflow.db?timeout=120
demo dag airflow: export AIRFLOW__CORE__PARALLELISM := 4
demo dag airflow: export AIRFLOW__CORE__EXECUTION_API_SERVER_URL := http://127.0.0.1:$(AIRFLOW_PORT)/execution/
demo dag airflow: export AIRFLOW__API__BASE_URL := http://127.0.0.1:$(AIRFLOW_PORT)
demo dag airflow: export AIRFLOW__API__HOST := 127.0.0.1
demo dag airflow: export AIRFLOW__API__PORT := $(AIRFLOW_PORT)
demo dag airflow: export AIRFLOW__API__WORKERS := 1
demo dag airflow: export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False
demo dag airflow: export SCARF_ANALYTICS := False
demo dag airflow: export DO_NOT_TRACK := 1
ifndef AIRFLOW_CONN_SPARK_DEFAULT
demo dag airflow: export AIRFLOW_CONN_SPARK_DEFAULT := {"conn_type": "spark", "host": "local[*]"}
demo dag airflow: export SPARK_LOCAL_IP := 127.0.0.1
demo dag airflow: export SPARK_DRIVER_MEMORY := 2g
endif

.airflow/.ready: .venv/.ready
	@mkdir -p -m 700 .airflow
	echo "preparing Airflow in .airflow"
	mkdir -p .airflow/config
	ln -sf ../../dags/airflow_local_settings.py .airflow/config/
	{ airflow db migrate && airflow pools set recsys 2 "Tasks of the nightly runs" &&
	    airflow pools set recsys_backfill 1 "Tasks of backfills"; } \
	    > .airflow/setup.log 2>&1 || { tail -n 20 .airflow/setup.log >&2; exit 1; }
	touch $@

# The demo never touches other servers, lakes or configurations than its own.
demo: export RECSYS_SANDBOX := $(CURDIR)/.demo/sandbox
demo: export RECSYS_LAKE := $(CURDIR)/.demo/lake
demo: export RECSYS_CONFIG := $(CURDIR)/$(if $(filter people,$(KIND)),jobs/sandbox/people.toml,recsys.toml)
.PHONY: demo
demo: setup .airflow/.ready ## seed a marketplace (KIND=people: of people), run the nightly DAG through Airflow, show the lists
	@spent=()
	step() {
	    local name=$$1 begin=$$SECONDS
	    printf '\n== %s\n' "$$name"
	    "$${@:2}"
	    spent+=("$$(printf '%4d s  %s' $$((SECONDS - begin)) "$$name")")
	}
	step "start the embedded servers" recsys sandbox up
	eval "$$(recsys sandbox env)"
	step "create the published tables" recsys migrate
	step "seed the source databases" recsys seed --kind $(KIND)
	step "run the DAG for $(AS_OF)" $(MAKE) dag
	step "what came out" recsys demo-report
	printf '\n== where the time went\n'
	printf '%s\n' "$${spent[@]}"
	mkdir -p .demo
	{ printf 'source %q\n' "$(CURDIR)/.venv/bin/activate"
	    printf 'export RECSYS_SANDBOX=%q RECSYS_LAKE=%q RECSYS_CONFIG=%q\n' "$$RECSYS_SANDBOX" "$$RECSYS_LAKE" "$$RECSYS_CONFIG"
	    printf 'eval "$$(recsys sandbox env)"\n'; } > .demo/env
	printf '\nThe servers keep running; make sandbox-down stops them. To look around: source .demo/env\n'

.PHONY: dag
dag: setup .airflow/.ready ## run a DAG (DAG=weekly_tuning, else the nightly one) for AS_OF=DATE through Airflow, on RECSYS_POSTGRES_URI and RECSYS_MONGO_URI
	@run_at=$(AS_OF)T02:00:00+00:00
	# Airflow lets a test run start at its logical date, so its own duration means nothing.
	start=$$SECONDS
	progress() {
	    local task begin line
	    while IFS= read -r line; do
	        case $$line in
	            *'[DAG TEST] starting task_id='*) task=$${line#*task_id=} begin=$$SECONDS ;;
	            *'[DAG TEST] end task task_id='*) printf '%4d s  %s\n' $$((SECONDS - begin)) "$${task%% *}" ;;
	        esac
	    done
	}
	conf='{"as_of": "$(AS_OF)"}'
	# Nobody is there to answer for a held run.
	if [ $(DAG) = nightly_recommendations ]; then conf='{"as_of": "$(AS_OF)", "ask": false}'; fi
	airflow dags test $(DAG) "$$run_at" --conf "$$conf" 2>&1 |
	    tee .airflow/dag.log | progress || failed=1
	printf '%4d s  in all\n' $$((SECONDS - start))
	echo "states, as Airflow recorded them:"
	airflow tasks states-for-dag-run $(DAG) "$$run_at" --output plain 2>/dev/null |
	    awk 'NR > 1 && NF {print "  " $$3, $$4}'
	if [ "$${failed:-0}" = 1 ]; then
	    sed -n 's/ *\[airflow\..*//; s/^.*\] \(error: .*\)/\1/p' .airflow/dag.log | sort -u >&2
	    echo "error: the run failed; its log is .airflow/dag.log" >&2
	    exit 1
	fi

.PHONY: airflow
airflow: setup .airflow/.ready ## start the scheduler and the UI on 127.0.0.1:8080 (AIRFLOW_PORT), with login
	@if [ -z "$${RECSYS_POSTGRES_URI:-}" ] || [ -z "$${RECSYS_MONGO_URI:-}" ]; then
	    recsys sandbox up
	    eval "$$(recsys sandbox env)"
	fi
	umask 077
	trap 'kill $$(jobs -p) 2>/dev/null || true; wait' EXIT
	trap 'exit 0' INT TERM
	airflow api-server > .airflow/api-server.log 2>&1 &
	airflow dag-processor > .airflow/dag-processor.log 2>&1 &
	airflow scheduler --skip-serve-logs > .airflow/scheduler.log 2>&1 &
	passwords=.airflow/simple_auth_manager_passwords.json.generated
	until [ -s $$passwords ] && (: < /dev/tcp/127.0.0.1/$(AIRFLOW_PORT)) 2>/dev/null; do
	    [ "$$(jobs -pr | wc -l)" = 3 ] || break
	    sleep 0.5
	done
	echo "Airflow: http://127.0.0.1:$(AIRFLOW_PORT), user and password in $$passwords"
	echo "The DAG starts paused: unpause it in the UI for the nightly runs. Ctrl-C stops Airflow."
	wait -n || true
	echo "error: a part of Airflow ended; see .airflow/*.log" >&2
	exit 1

.PHONY: airflow-test
airflow-test: setup ## answer for held runs in the UI of a running Airflow, and miss a deadline
	@pytest -q --airflow tests/dags/test_in_the_ui.py

.PHONY: data-docs
data-docs: setup ## build the pages on the newest contract checks of RECSYS_LAKE
	@python -m jobs.app.data_docs

.PHONY: report
report: setup ## write the report of the newest run, and open it where there is a browser
	@page="$$(recsys report)"
	echo "$$page"
	for browser in xdg-open open; do
	    if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] && command -v $$browser >/dev/null; then
	        $$browser "$$page"
	        break
	    fi
	done

.PHONY: sandbox-down
sandbox-down: .venv/.ready ## stop the embedded servers that demo and airflow start
	@for root in .sandbox .demo/sandbox; do
	    if [ -d $$root ]; then RECSYS_SANDBOX=$$root recsys sandbox down; fi
	done

# --- a cluster ------------------------------------------------------------------------------------

.PHONY: package
package: .venv/.ready ## pack the code into build/recsys.zip, for spark-submit --py-files
	@python -m jobs.spark.package build/recsys.zip
	echo "build/recsys.zip"

.PHONY: cluster-test
cluster-test: setup ## run a whole night on a Spark cluster of two workers, and kill one
	@pytest -q --cluster tests/cluster

# --- the house ------------------------------------------------------------------------------------

.PHONY: test
test: setup ## run every test, on real embedded servers and real Spark
	@# Tests wait for processes and servers about half of their time, so two at once take half as long.
	pytest -q -n 2 --dist loadfile

.PHONY: wheel
wheel: .venv/.ready ## build the wheel into build/wheel
	@# What an earlier build has left there would go into this one.
	rm -rf build/lib build/bdist.* build/wheel recsys.egg-info
	.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	rm -rf build/lib build/bdist.*
	ls build/wheel/*.whl

.PHONY: wheel-test
wheel-test: setup ## install the wheel into an empty environment, and use it on a table of its own
	@pytest -q --wheel tests/e2e/test_wheel.py

.PHONY: check-readme
check-readme: setup ## run every command of README and docs in a fresh clone
	@pytest -q --documented tests/e2e/test_documented_commands.py

.PHONY: chaos
chaos: setup ## kill drivers and servers at many instants (KILLS, SEED), look up under load, backfill DAYS
	@pytest -q --chaos --chaos-kills $(KILLS) --chaos-seed $(SEED) --chaos-days $(DAYS) \
	    tests/e2e/test_chaos.py tests/e2e/test_faults.py tests/e2e/test_forced_shutdowns.py tests/lake/test_power_cut.py \
	    tests/postgres/test_lookups_under_load.py tests/e2e/test_backfill.py \
	    tests/e2e/test_airflow_backfill.py tests/e2e/test_generated_people.py tests/property/test_sources.py

# Long jobs want the compiler that takes longer itself.
.PHONY: bench
bench: export SPARK_SUBMIT_OPTS := -XX:+UseSerialGC
bench: setup ## measure the pipeline, a tutorial's way, implicit and the floors (SIZE=S, M or L)
	@python -m tests.benchmarks.pipeline --size $(SIZE)

.PHONY: bench-growth
bench-growth: export SPARK_SUBMIT_OPTS := -XX:+UseSerialGC
bench-growth: setup ## measure how time and memory grow over 1, 4 and 16 times the interactions
	@python -m tests.benchmarks.growth

.PHONY: bench-nights
bench-nights: export SPARK_SUBMIT_OPTS := -XX:+UseSerialGC
bench-nights: setup ## measure a night on 1 % new events against a full one (SIZE=S, M or L)
	@python -m tests.benchmarks.nights --size $(SIZE)

.PHONY: bench-lookup
bench-lookup: setup ## measure lookups a second against bare reads of the row by its key
	@python -m tests.benchmarks.lookup

.PHONY: check
check: .venv/.ready ## check lint, format, types and layers
	@ruff check .
	ruff format --check .
	mypy recsys data_contracts jobs dags tests
	lint-imports
	python -m jobs.app.config_reference --check docs/configuration.md
	python -m jobs.cli.reference --check docs/commands.md

.PHONY: docs
docs: .venv/.ready ## write the generated parts of docs/ and sql/dbt anew
	@python -m jobs.app.config_reference docs/configuration.md
	python -m jobs.cli.reference docs/commands.md
	python -m jobs.sandbox.data_dictionary docs/tables.md sql/dbt/models/sources.yml

.PHONY: fmt
fmt: .venv/.ready ## format the code and fix what the linter can fix
	@ruff check --fix-only .
	ruff format .

.PHONY: clean
clean: ## stop the servers and delete .venv, the demo's data, the lake and every cache
	@if [ -x .venv/bin/recsys ]; then $(MAKE) sandbox-down; fi
	rm -rf .venv .airflow .sandbox .lake .demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache
	rm -rf .ruff_cache build spark-warehouse artifacts *.egg-info
