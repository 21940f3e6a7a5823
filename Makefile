# Every target sets up everything it needs (.ci/environment); the first time takes a few minutes.
#
#   PYTHON=…     the Python to use; default: the first of python3.13, 3.12, 3.11, 3.14, python3 that works. The oldest
#                Airflow supports Python up to 3.12: OLDEST_PYTHON=… names another Python for it.
#   PYTHONS=…    the versions that make test-pythons tries; default: all supported ones
#   WORKERS=…    how many processes the tests run in
#   ARGS=…       more arguments for pytest or the benchmarks
#   DEMO_ARGS=…  arguments for the demo (make demo DEMO_ARGS=--help)

PYTHON ?=
OLDEST_PYTHON ?=
PYTHONS ?= 3.11 3.12 3.13 3.14
ARGS ?=
DEMO_ARGS ?=

NEWEST := .venv
OLDEST := .matrix/oldest
STORES := .matrix/stores
FIRST_PYTHON := 3.11
newest = sh .ci/environment $(NEWEST) constraints/newest.txt $(FIRST_PYTHON) 4.0 "$(PYTHON)"
oldest = sh .ci/environment $(OLDEST) constraints/oldest.txt $(FIRST_PYTHON) 3.13 "$(OLDEST_PYTHON)"
stores = sh .ci/environment $(STORES) constraints/stores.txt $(FIRST_PYTHON) 4.0 "$(PYTHON)" s3,gcs,azure stores
AZURITE := 3.35.0

CODE = $(wildcard provider tests dags airflow_stack demo benchmarks tools)
# On the oldest: what depends on the version of Airflow or of the SDK. `make matrix` runs all tests on it.
QUICK = $(wildcard tests/compatibility) $(wildcard tests/packaging/test_example_dags.py) \
	$(addprefix tests/dags/test_, identity.py links.py one_task.py waits.py readme.py sql_rows.py) \
	$(addprefix tests/integration/test_, client.py hook.py quiet_calls.py sql_rows.py sql_tables.py) \
	tests/unit/batches/requests/test_sdk_values.py
# The tests with a real Airflow wait a lot and share one Airflow: they run in one process; others use the processors.
WORKERS ?= 3
SPREAD = --numprocesses $(WORKERS) --dist loadgroup
END_TO_END = tests/e2e
STORE_TESTS = $(wildcard tests/contracts/test_storage.py tests/contracts/test_store*.py \
	tests/unit/batches/requests/test_values_of_pandas.py tests/properties/test_values.py \
	tests/unit/batches/rows/arrow/test_frames*.py tests/unit/batches/rows/arrow/test_arrow_values.py \
	tests/properties/test_tables_of_arrow.py)

# Without compiled files, each of the many processes that tests start compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help setup demo test lint unit matrix test-newest test-end-to-end test-rest test-oldest test-pythons test-stores long format docs bench constraints clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r target text; do printf '  make %-16s %s\n' "$$target" "$$text"; done

setup: ## make or update .venv, and nothing else
	@$(newest)

demo: setup ## run the one-task job in a real Airflow, against the simulator; spends nothing
	@$(NEWEST)/bin/python -m demo $(DEMO_ARGS)

test: lint test-newest ## format check, lint, types, import contracts, tests

lint: setup ## the checks of make test that do not run the code
	$(NEWEST)/bin/python -m ruff format --check .
	$(NEWEST)/bin/python -m ruff check .
	$(NEWEST)/bin/python -m mypy $(CODE)
	$(NEWEST)/bin/lint-imports
	$(NEWEST)/bin/codespell
	$(NEWEST)/bin/python -m tools.prose

unit: setup ## the quick tests, which start no process
	$(NEWEST)/bin/python -m pytest --numprocesses 2 -m "not long and not heavy" tests/unit $(ARGS)

test-newest: setup ## the tests on the newest supported Airflow and SDK
	$(NEWEST)/bin/python -m pytest $(SPREAD) $(ARGS)

test-end-to-end: setup ## of make test-newest: the tests with a real Airflow
	$(NEWEST)/bin/python -m pytest --numprocesses 1 --dist loadgroup $(END_TO_END) $(ARGS)

test-rest: setup ## of make test-newest: all other tests
	$(NEWEST)/bin/python -m pytest $(SPREAD) --ignore $(END_TO_END) $(ARGS)

test-oldest: ## the tests that depend on the version of Airflow or the SDK, on the oldest supported ones
	@$(oldest)
	$(OLDEST)/bin/python -m pytest $(SPREAD) $(QUICK) $(ARGS)

test-stores: ## storage on S3, Google Cloud Storage and Azure, played by servers on loopback; the Azure server needs npm
	@$(stores)
	@sh .ci/azurite $(STORES) $(AZURITE)
	$(STORES)/bin/python -m pytest $(SPREAD) $(STORE_TESTS) $(ARGS)

test-pythons: ## the tests of make test-oldest on the newest set, with each supported Python that is on the PATH
	@for version in $(PYTHONS); do \
		if ! python$$version -c '' 2>/dev/null; then echo "python$$version is not on the PATH: left out" >&2; continue; fi; \
		sh .ci/environment .matrix/python$$version constraints/newest.txt $$version 4.0 python$$version || exit; \
		.matrix/python$$version/bin/python -m pytest $(SPREAD) $(QUICK) $(ARGS) || exit; \
	done

matrix: test-newest test-pythons ## all tests, on the newest and on the oldest; the quick ones on every supported Python
	@$(oldest)
	$(OLDEST)/bin/python -m pytest $(SPREAD) $(ARGS)

long: setup ## the tests that take minutes
	$(NEWEST)/bin/python -m pytest -m long $(ARGS)

format: setup ## format the code, and fix what can be fixed
	$(NEWEST)/bin/python -m ruff check --fix-only .
	$(NEWEST)/bin/python -m ruff format .

docs: setup ## generate the tables of the docs from the code
	@$(NEWEST)/bin/python -m tools.generate_docs

bench: setup ## faults, sizes and waits compared with the peers, and tables; takes about three quarters of an hour without the tables (ARGS=faults, ARGS=--write)
	$(NEWEST)/bin/python -m benchmarks $(ARGS)

COMPILE = $(NEWEST)/bin/python -m uv pip compile --quiet --universal --python-version $(FIRST_PYTHON) --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --group dev --extra simulator $(ARGS)

constraints: setup ## compute the pins again (ARGS=--upgrade: with newer versions)
	$(COMPILE) -o constraints/newest.txt pyproject.toml constraints/newest.in
	$(COMPILE) -o constraints/oldest.txt pyproject.toml constraints/oldest.in
	$(COMPILE) -o constraints/peers.txt pyproject.toml constraints/peers.in
	$(COMPILE) --extra s3 --extra gcs --extra azure --group stores -o constraints/stores.txt pyproject.toml constraints/stores.in

clean: ## remove environments, caches and build results
	rm -rf .venv .matrix build dist .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
