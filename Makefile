SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
DURATION ?= 10m
RUNS ?= 10000000
STATES ?= 25000
ARGS ?=

BIN := .venv/bin
# The SDK of the cloud would ask the metadata service of ECS for a role, and takes a proxy from the
# environment even for 127.0.0.1 (it does not honour NO_PROXY). Setting up may need the proxy.
RUN := env -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u http_proxy -u https_proxy -u all_proxy \
	ALIBABA_CLOUD_ECS_METADATA_DISABLED=true
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal \
	--python-version 3.11 setup.cfg
LOCK_SIM := $(LOCK) requirements/build.in requirements/sim.in
INSTALL := setup.cfg pyproject.toml hack/venv

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) \
		| awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: .venv/.sim ## Run dnatctl against an emulated cluster and cloud on this machine
	$(RUN) $(BIN)/dnatctl demo $(ARGS)

.PHONY: test
test: .venv/.dev ## Unit, model and integration tests (ARGS="-k pool")
	$(RUN) $(BIN)/pytest --numprocesses 6 --dist loadscope $(ARGS)

.PHONY: lint
lint: .venv/.dev ## Style, types and the rules of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint manifests/image/Containerfile
	$(BIN)/shellcheck .ci/run hack/venv hack/verify-manifests manifests/image/build-tree

.PHONY: verify
verify: verify-docs verify-manifests verify-shape ## What is generated is fresh, manifests build, files are short

.PHONY: verify-docs
verify-docs: .venv/.dev
	$(RUN) $(BIN)/python hack/gen-reference --check

.PHONY: verify-manifests
verify-manifests: .venv/.dev
	hack/verify-manifests

.PHONY: verify-shape
verify-shape: .venv/.dev
	$(BIN)/python hack/verify-shape

.PHONY: e2e
e2e: .venv/.dev ## Tests against a real Kubernetes control plane (built once a machine)
	$(RUN) $(BIN)/python hack/control-plane build
	$(RUN) $(BIN)/pytest tests/e2e --numprocesses 2 --dist load $(ARGS)

.PHONY: prove
prove: .venv/.mutants .venv/.fuzz ## Small worlds, state machines, crashes, inputs at length; mutants (STATES=80000)
	$(RUN) HYPOTHESIS_PROFILE=long STATES=$(STATES) $(BIN)/pytest --timeout 3600 --numprocesses 2 --dist worksteal \
		tests/model tests/integration/crash tests/integration/faults $(ARGS)
	$(RUN) $(BIN)/python -m hack.fuzz --runs $(RUNS)
	$(RUN) $(BIN)/python -m hack.mutants

.PHONY: mutants
mutants: .venv/.mutants ## Do the tests of plan and pool notice what is wrong? (ARGS=--again)
	$(RUN) $(BIN)/python -m hack.mutants $(ARGS)

.PHONY: fuzz
fuzz: .venv/.fuzz ## Inputs that others make, in their millions (RUNS=1000000)
	$(RUN) $(BIN)/python -m hack.fuzz --runs $(RUNS) $(ARGS)

.PHONY: soak
soak: .venv/.dev ## Run for long under faults (DURATION=10m)
	$(RUN) $(BIN)/python -m hack.soak --duration $(DURATION) $(ARGS)

.PHONY: bench
bench: .venv/.bench ## Measure speed and size against the budgets (ARGS="--quick --only latency")
	$(RUN) $(BIN)/python -m hack.bench $(ARGS)

.PHONY: bench-docs
bench-docs: .venv/.bench ## Put the figures of the last `make bench` into the docs
	$(RUN) $(BIN)/python -m hack.bench.page $(ARGS)

.PHONY: image
image: .venv/.dev ## Build the image into dist/, with its SBOM (needs buildah, root; no engine)
	$(BIN)/python -m hack.image $(ARGS)

.PHONY: wheel
wheel: .venv/.dev ## Build the wheel into dist/, the same bytes for whoever builds this commit
	$(BIN)/python -m hack.supply.wheel

.PHONY: licences
licences: .venv/.dev ## Under what terms is what is delivered; fails where one is not allowed
	$(BIN)/python -m hack.supply.licences

.PHONY: outdated
outdated: .venv/.dev ## What has a newer version (docs/release.md says why it is not taken)
	$(BIN)/uv pip list --outdated

.PHONY: format
format: .venv/.dev ## Bring the code into the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: .venv/.dev ## Generate docs/reference and the pictures of terminals
	$(RUN) $(BIN)/python hack/gen-reference

.PHONY: lock
lock: .venv/.dev ## Lock the dependencies anew, with hashes (ARGS=--upgrade)
	$(LOCK) $(ARGS) -o requirements/run.txt
	$(LOCK_SIM) $(ARGS) -o requirements/sim.txt
	$(LOCK_SIM) $(ARGS) requirements/dev.in -o requirements/dev.txt
	$(LOCK_SIM) $(ARGS) requirements/dev.in requirements/bench.in \
		-c requirements/dev.txt -o requirements/bench.txt
	$(LOCK_SIM) $(ARGS) requirements/dev.in requirements/mutants.in \
		-c requirements/dev.txt -o requirements/mutants.txt
	$(LOCK_SIM) $(ARGS) requirements/dev.in requirements/fuzz.in \
		-c requirements/dev.txt -o requirements/fuzz.txt

.PHONY: clean
clean: ## Remove what was built, the virtual environment included
	rm -rf .venv build dist out mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.sim: requirements/sim.txt $(INSTALL)
	PYTHON=$(PYTHON) hack/venv sim

.venv/.dev: requirements/dev.txt $(INSTALL)
	PYTHON=$(PYTHON) hack/venv dev

.venv/.fuzz: requirements/fuzz.txt $(INSTALL)
	PYTHON=$(PYTHON) hack/venv fuzz

.venv/.bench: requirements/bench.txt $(INSTALL)
	PYTHON=$(PYTHON) hack/venv bench

.venv/.mutants: requirements/mutants.txt $(INSTALL)
	PYTHON=$(PYTHON) hack/venv mutants
