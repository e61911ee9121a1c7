# Every target can be run again at any time: what is done already costs next to nothing.

SHELL := /bin/sh
CARGO ?= cargo
PYTHON ?= python3
# The binary follows CARGO_TARGET_DIR, as cargo does.
BINARY := $(or $(CARGO_TARGET_DIR),target)/release/vision-service
# In CI the lock file must be up to date.
LOCKED := $(if $(CI),--locked)
# Optional models to fetch as well: make models WITH="glasses"
WITH ?=
# What the subjects of `make bench` send: a video, or a picture.
CLIP ?= $(firstword $(wildcard ../shared/assets/lp_d12.mp4) assets/demo/astronaut.png)

.DEFAULT_GOAL := help
# One apt and one cargo at a time; each of them is parallel inside.
.NOTPARALLEL:
.PHONY: help setup setup-test models build demo run test test-python test-long check-container bundle check-bundle lint bench evaluate clean

help: ## this list
	@echo "vision-service: verifies in a WebRTC call that a person is live and is who they claim to be"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 20

setup: ## install the Debian packages that are missing
	@scripts/toolchain.sh
	@scripts/debian-packages.sh run build

setup-test: setup
	@scripts/debian-packages.sh test room-server
	@tests/support/room-server/setup.sh

models: ## fetch, verify and convert the models that are missing (WITH=ID adds an optional one)
	@scripts/debian-packages.sh models
	@"$(PYTHON)" models/setup $(addprefix --with-optional ,$(WITH))

build: setup ## build in release mode
	$(CARGO) build --release --workspace $(LOCKED)

demo: build models $(if $(filter mediasoup,$(ROOM)),setup-test) ## one complete verification with a simulated subject (ROOM=mediasoup: through a mediasoup server)
	@$(if $(filter mediasoup,$(ROOM)),scripts/demo-mediasoup.sh) "$(BINARY)" demo

run: build models ## keep the service up, with a page to verify yourself with a webcam
	@"$(BINARY)" serve --demo

test: setup-test models test-python ## every test (what needs hours is test-long)
	$(CARGO) test --workspace --no-fail-fast $(LOCKED)

test-python:
	@"$(PYTHON)" -B -m unittest discover -s models/setup/tests -t models/setup

test-long: setup-test models check-container check-bundle ## the tests that need hours, the container images and the bundle
	$(CARGO) test --workspace --release $(LOCKED) -- --ignored --nocapture

check-container: setup models ## build both container images without a Docker engine, start them, look at them (as root)
	scripts/check-container.sh

bundle: build models ## everything for an installation without a network, in one tar (docs/offline.md)
	@scripts/bundle.sh "$(dir $(BINARY))"

check-bundle: bundle ## install the bundle on a minimal Debian without a network, use it there (as root)
	scripts/check-bundle.sh

lint: setup ## format, clippy, documentation, Dockerfiles, units, licences and sources of the dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(LOCKED) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps $(LOCKED)
	@scripts/debian-packages.sh models
	scripts/lint-tools.sh cargo-deny
	scripts/lint-tools.sh hadolint
	@scripts/debian-packages.sh units
	scripts/check-units.sh

bench: build models setup-test ## print the figures of docs/performance.md (CLIP=FILE is what the subjects send)
	$(CARGO) run --release -p vision-models --example bench $(LOCKED)
	$(CARGO) run --release --example flows $(LOCKED) -- "$(CLIP)"
	$(CARGO) run --release --example flows $(LOCKED) -- "$(CLIP)" --room mediasoup
	$(CARGO) run --release --example frames $(LOCKED) -- "$(CLIP)"
	$(CARGO) run --release --example session_videos $(LOCKED) -- "$(CLIP)"

evaluate: models setup-test ## false accepts and false rejects of the liveness checks: the tables of docs/liveness.md (PART=quality)
	$(CARGO) run -p vision-models --example evaluate $(LOCKED) -- ../shared --plots evaluation $(PART)

clean: ## remove what was built; the models stay
	$(CARGO) clean
	rm -rf demo-out evaluation
