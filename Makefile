# Two commands do everything: `make demo` and `make test`. CI runs `make check test`.
PYTHON ?= python3
BIN    := .venv/bin

.PHONY: setup demo test check docs site promises bench lock clean

setup: .venv/dev

.venv/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 …") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv

# what the demo needs: the product and the local AWS emulator
.venv/run: requirements.lock pyproject.toml | .venv/bin/uv
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

.venv/dev: requirements-dev.lock | .venv/run
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@

demo: .venv/run
	$(BIN)/reconciler demo $(ARGS)

# dozens of processes of the product are started: with compiled modules each takes a second less
test: .venv/dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow" $(ARGS)

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev
	$(BIN)/python -m docs.generate

# the documentation as a site, in site/; dead links fail
site: | .venv/bin/uv
	$(BIN)/uv venv --quiet --allow-existing .venv/site
	VIRTUAL_ENV=.venv/site $(BIN)/uv pip install --quiet --require-hashes -r requirements-site.lock
	.venv/site/bin/zensical build --strict

# every promise in full, seeds and all; writes docs/promises.md (single tests: see tests/promises/report.py)
promises: .venv/dev
	$(BIN)/python -m tests.promises.report

# calls, walls and ratios, Terraform beside it where it is installed; writes docs/reference/performance.md
bench: .venv/dev
	$(BIN)/python -m benchmarks.against_terraform --write --services 1 20 100

# pinned with hashes, without any index host
lock: | .venv/bin/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra console -c requirements.lock -o requirements-image.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra local --extra console --extra build -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra local --extra console --extra build --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --group site -o requirements-site.lock

clean:
	rm -rf .venv site .cache .mypy_cache .ruff_cache .import_linter_cache
