# `make demo` and `make test` are all the set-up there is; each makes the environment it needs.

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
QUICK := $(addprefix tests/,model ipld unixfs ipns image snapshot delta intake rootfs storage blockstores trust index lookup)

.PHONY: env check format test test-quick test-long bench demo screenshots docs sbom lock clean

env: $(VENV)/.complete

$(VENV)/.complete: requirements.lock pyproject.toml
	$(BIN)/python -m pip --version > /dev/null 2>&1 || python3 -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --timeout 60 --retries 10 --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -q tests/test_architecture.py tests/test_documents.py

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: env
	$(PYTEST) -n auto --dist loadgroup -m "not long"

# For the inner loop: the pure rooms and what stands on SQLite, fewer examples, no engine, no server. Under a minute on two cores.
test-quick: env
	DCAT_TEST_QUICK=1 $(PYTEST) -q -n auto --dist loadgroup -m "not long and not slow" $(QUICK)

test-long: env
	$(PYTEST) -n auto --dist loadgroup --timeout 3600 -m long -raP --durations=20

bench: env
	$(BIN)/python -m tests.benchmarks

demo: env
	$(BIN)/python -m tests.demo

screenshots: env
	$(BIN)/python -m tests.browser.screenshots

docs: env
	$(BIN)/python -m tests.cli.reference

sbom: env
	$(BIN)/python -m tests.sbom

lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis dist
