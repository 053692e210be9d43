# `make demo` and `make test` do the set-up they need and are safe to run again.

VENV := .venv/.installed
NODE := tests/clients/node_modules/.installed

.PHONY: demo test bench fuzz lint deny clean

# A conversation with tools, in the terminal: no model, no GPU and no network.
demo:
	@.ci/install build
	cargo build
	@target/debug/toolgate demo

# Everything: style, lints, documentation, the Rust tests, then the real llama-server and the real SDKs.
# `cargo test` builds the program that the latter run.
test: lint $(VENV) $(NODE)
	cargo test --quiet
	.venv/bin/pytest --quiet tests

lint:
	@.ci/install test
	cargo fmt --check
	cargo clippy --all-targets --quiet -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --no-deps --quiet

# The measurements behind docs/PERFORMANCE.md.
bench:
	@.ci/install build
	cargo bench --bench decode --bench rewrite --bench gateway

# Looks for inputs that break a property, half a minute each. Needs a nightly toolchain (rustup toolchain install
# nightly); `make test` holds the same properties on generated inputs without one.
fuzz:
	@.ci/install build
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	for target in sse decode request response; do \
		cargo +nightly fuzz run $$target -- -max_total_time=30 -max_len=512 || exit 1; \
	done

# Licences, advisories, duplicates and sources of the dependencies.
deny:
	@.ci/install build
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check

clean:
	rm -rf .venv tests/clients/node_modules
	cargo clean

$(VENV): tests/requirements.txt
	@.ci/install test
	python3 -m venv .venv
	.venv/bin/pip install --quiet --only-binary :all: --requirement $<
	@touch $@

$(NODE): tests/clients/package-lock.json
	@.ci/install test
	npm ci --prefix tests/clients --no-audit --no-fund
	@touch $@
