# bulkhead: `make run` boots a container in its own VM, `make test` tests everything. `make help` lists the rest.
# The recipes are calls of scripts; what is built lies under build/ and is rebuilt only when its sources change.

SHELL := /bin/sh
PATH := $(PATH):/usr/sbin:/sbin:$(HOME)/.cargo/bin
export PATH
unexport NODE_OPTIONS

NODE := node_modules/node-linux-$(if $(filter aarch64,$(shell uname -m)),arm64,x64)/bin/node
BIN := node_modules/.bin
CARGO_TARGET_DIR ?= $(CURDIR)/build/cargo
export CARGO_TARGET_DIR
CARGO_AGENT := --manifest-path guest/agent/Cargo.toml --locked
CARGO_NATIVE := --manifest-path native/Cargo.toml --workspace --locked
NATIVE := files hand-over jail loopback mount

PREFIX ?= /usr/local
DESTDIR ?=
CMD ?=
TESTS ?= test/integration/*.test.ts test/conformance/*.test.ts test/faults/*.test.ts
export PREFIX DESTDIR CMD

find = $(shell find $(1) -type f -not -path '*/node_modules/*' -not -path '*/testing/*' 2>/dev/null)
HOST_SOURCES := $(filter-out %.test.ts,$(call find,src packages/*/src scripts/build.ts native package.json tsconfig.json))
GUEST_SOURCES := $(call find,guest/agent/src guest/agent/Cargo.toml guest/agent/Cargo.lock guest/agent/build.sh) \
  guest/image/build.sh guest/image/build-kernel.sh guest/image/kernel.config $(call find,guest/image/patches)
HOST := build/lib/bulkhead/.built
GUEST := build/share/bulkhead/image

# Test files that ask containerd's CRI; and those of them that 'make test' runs on other versions of containerd, too.
CRI_TESTS = $(filter-out %/pods-crio.test.ts,$(wildcard test/integration/pods-*.test.ts)) test/integration/network-cri.test.ts
FEW_CRI_TESTS := $(patsubst %,test/integration/pods-%.test.ts,lifecycle userns image-volumes)
RUN_TESTS = $(NODE) --test --test-concurrency=1 --test-timeout=300000

.PHONY: help deps gen build guest lint test test-unit test-integration test-containerd test-containerd-few test-matrix test-kubernetes test-cri test-posix test-programs test-files-heavy test-faults soak bench run shell install uninstall clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 28

deps: ## install what is missing: apt packages, Node 24, npm packages, Rust only if there is no cargo
	@scripts/deps.sh

gen: | deps ## write the generated code (src/gen) from proto/
	@$(NODE) scripts/gen.ts

build: $(HOST) ## build/bin and build/lib/bulkhead: the shim and the operator's command

$(HOST): $(HOST_SOURCES) | deps
	@$(NODE) scripts/build.ts
	@built=$$(native/build.sh | tail -n 1) && for part in $(NATIVE); do \
	  install -m 755 "$$built/bulkhead-$$part" build/lib/bulkhead/bulkhead-$$part || exit 1; \
	done
	@touch $@

guest: $(GUEST) ## build/share/bulkhead: kernel and image of the guest

$(GUEST): $(GUEST_SOURCES) | deps
	@guest/image/build.sh
	@touch $@

lint: | deps ## formatting, lint rules, types, import directions, Rust formatting and lints
	@$(BIN)/biome check .
	@$(BIN)/tsc --noEmit -p .
	@$(NODE) scripts/check-imports.ts
	@cargo fmt --manifest-path guest/agent/Cargo.toml --check
	@cargo fmt --manifest-path native/Cargo.toml --all --check
	@cargo clippy $(CARGO_AGENT) --all-targets -- -D warnings
	@cargo clippy $(CARGO_NATIVE) --all-targets -- -D warnings

test: test-unit test-integration test-containerd-few ## all tests

test-unit: build ## unit tests of the TypeScript packages and of the Rust agent
	@$(NODE) --test 'src/**/*.test.ts' 'packages/*/src/**/*.test.ts' 'packages/*/test/**/*.test.ts' 'scripts/**/*.test.ts'
	@PATH=$(CURDIR)/$(dir $(NODE)):$$PATH npm run --silent check-package -w ttrpc-ts
	@cargo test $(CARGO_AGENT) --quiet
	@cargo test $(CARGO_NATIVE) --quiet

test-integration: build guest ## tests against a real containerd, QEMU and guest (TESTS="files" picks some)
	@$(NODE) test/support/prepare.ts
	@$(RUN_TESTS) $(wildcard $(TESTS))

test-containerd: build guest ## what the machine's containerd may be too old for, on those of Debian 13 and sid, on 2.3 and 2.4
	@BULKHEAD_TEST_LONG=1 $(RUN_TESTS) test/integration/deploy-files.test.ts
	@$(call on_each,trixie sid $(MODULES),$(FEW_CRI_TESTS))

test-containerd-few: build guest ## the same on Debian 13's and on 2.3, which other tests have built
	@$(call on_each,trixie $(firstword $(MODULES) sid),$(FEW_CRI_TESTS))

test-matrix: build guest ## all tests of pods on each containerd: the machine's, Debian 13's, sid's, 2.3 and 2.4
	@$(call on_each,system trixie sid $(MODULES),$(CRI_TESTS))

# What Debian does not have is built by Go.
MODULES = $(if $(shell command -v go),2.3 2.4,$(warning GO IS NOT ON THE PATH: NOT TESTED ON CONTAINERD 2.3 AND 2.4))

test-kubernetes: build guest ## a real Kubernetes, built once (half an hour), asks ours and runc for pods: a table in build/kubernetes.md
	@$(NODE) --test --test-timeout=7200000 --test-reporter=spec test/kubernetes/kubernetes.test.ts

test-cri: build guest ## critest on ours and on runc: a table in build/cri.md (an hour)
	@$(NODE) --test --test-timeout=7200000 --test-reporter=spec test/cri/cri.test.ts

# Runs test files (2) with each containerd (1), all of them even when one fails.
on_each = failed=0; for flavour in $(1); do \
    printf '\n=== containerd: %s\n' $$flavour; \
    BULKHEAD_TEST_CONTAINERD=$$flavour $(RUN_TESTS) $(2) || failed=1; \
  done; exit $$failed

test-programs: build guest ## Debian's programs, from apt to PostgreSQL and Docker, on each kind of root and on a bind (5 minutes)
	@$(RUN_TESTS) --test-reporter=spec test/programs/programs.test.ts

test-posix: build guest ## other people's tests of a file system on each kind of volume, ours and runc's, as a table
	@$(RUN_TESTS) --test-reporter=spec test/posix/posix.test.ts

test-files-heavy: build guest ## a million files on a folder of the host and on a root with a disk (BULKHEAD_TEST_FILES is another number)
	@$(NODE) --test --test-timeout=14400000 test/heavy/many-files.test.ts

test-faults: build guest ## kill -9 of each part at each step, as a table in build/kill-matrix.md, and 200 restarts of one id (25 minutes)
	@$(RUN_TESTS) --test-reporter=spec test/heavy/faults.test.ts test/heavy/restarts.test.ts

soak: build guest ## pods and containers come, go and are killed for BULKHEAD_SOAK_MINUTES (60): does anything grow? (not in CI)
	@$(NODE) test/heavy/soak.ts

bench: build guest ## measurements as a table and as JSON in build/bench
	@$(NODE) test/bench/run.ts

run: build guest ## run a container in a VM, with evidence (CMD="uname -a" runs your own command)
	@$(NODE) scripts/run.ts run

shell: build guest ## an interactive shell in a VM container
	@$(NODE) scripts/run.ts shell

install: build guest ## copy to $(DESTDIR)$(PREFIX) (default /usr/local)
	@scripts/install.sh install

uninstall: ## remove what install has put there
	@scripts/install.sh uninstall

clean: ## remove build/ (the cache in ~/.cache/bulkhead stays)
	@if grep -F ' $(CURDIR)/build/' /proc/self/mountinfo; then echo 'these are still mounted, build/ is kept' >&2; exit 1; fi
	@rm -rf build
