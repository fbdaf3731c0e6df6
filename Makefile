# One command each, from a fresh clone. Nothing but python3 (3.11 or newer, with venv) has to be there.
#
#   make demo     the site on this machine: PostgreSQL, broker, web, workers; Ctrl-C stops all of it
#   make test     the whole test suite                    make loop     the closed loop, unattended, with a report
#   make check    style, types, architecture, deployment  make bench    the benchmarks
#   make science  does each feedback type's law say what its labelers do: the table of docs/types/README.md

SHELL := /bin/bash
PYTHON ?= python3
EXTRAS ?= train,test,check
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3

# uv does not read pip's settings. Without the first line it would fetch another torch than the one at hand.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

# A torch without CUDA where there is no GPU: 200 MB instead of 3 GB. Wheels at hand come first.
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
CPU_ONLY := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo yes)

.PHONY: demo test loop bench science check chaos install clean

demo: $(VENV)/ok
	@$(BIN)/python manage.py up

# Threads that spin while they wait take the two cores of a small machine from everything else.
test: export OMP_NUM_THREADS ?= 1
test: export OMP_WAIT_POLICY ?= passive
test: $(VENV)/ok
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0 $(TESTS)

loop: $(VENV)/ok
	$(BIN)/python manage.py loop

bench: $(VENV)/ok
	$(BIN)/python -m bench

science: $(VENV)/ok
	$(BIN)/python -m feedback_types.science $(TYPES:%=--type %)
	$(BIN)/python -m feedback_types.equal_seconds

chaos: $(VENV)/ok
	$(BIN)/python -m pytest -m proof
	$(BIN)/python -m bench.chaos
	$(BIN)/python -m bench kill_resume

check: $(VENV)/ok
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file clients/python/pyproject.toml clients/python/whetstone_client
	$(BIN)/lint-imports --no-logo
	@echo "check --deploy, as in production"
	@WHETSTONE_HTTPS=1 WHETSTONE_DEBUG=0 WHETSTONE_ALLOWED_HOSTS=whetstone.example.org \
	  WHETSTONE_SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	@if command -v msgfmt >/dev/null; then \
	  for po in $$(find annotation/locale feedback_types -name '*.po' 2>/dev/null); do \
	    msgfmt --check --no-hash -o - "$$po" | cmp --silent - "$${po%.po}.mo" \
	      || { echo "$${po%.po}.mo is older than its source: run msgfmt --check --no-hash -o $${po%.po}.mo $$po"; exit 1; }; \
	  done; \
	else echo "msgfmt is not installed: translations were not compared"; fi

install: $(VENV)/ok

$(VENV)/ok: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Could not make a virtual environment; on Debian: apt install python3-venv"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@echo "Installing into $(VENV) ..."
	@if [ -n "$(CPU_ONLY)" ] && [ -z "$$UV_FIND_LINKS" ]; then \
	  $(UV) --torch-backend=cpu -e '.[$(EXTRAS)]' || \
	  { echo "The index of CPU builds is out of reach; taking the one of the package index."; $(UV) -e '.[$(EXTRAS)]'; }; \
	else \
	  $(UV) -e '.[$(EXTRAS)]'; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
