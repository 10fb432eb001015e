# swarmlab. The two commands a newcomer needs:
#   make lab     set everything up, run the chapter, leave the lab up
#   make test    set everything up, run every test (make test-long: the slow ones too)
#   make test-vm the chapter on a stock Debian kernel in an emulated machine (root)
#   make test-distributions   `make lab` on Debian and Ubuntu by a user who is not root (root)
#   make docs    build the documents into site/, to be opened with any browser
#   make wheel   build the package into dist/
.PHONY: help lab test test-long test-vm test-distributions lint unit engine images bench docs wheel clean

SWARMLAB := .venv/bin/swarmlab
PYTEST := .venv/bin/python -m pytest
ROUNDS ?= 5

help:
	@sed -n 's/^#   /  /p' Makefile

lab: engine
	@$(SWARMLAB) run --to 13

# Ready to run: the environment, the package and an engine that answers.
engine:
	@sh scripts/venv.sh
	@.venv/bin/python scripts/engine.py

images: engine
	@$(SWARMLAB) images build

lint:
	@sh scripts/venv.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	@sh scripts/types-of-images.sh

unit:
	@sh scripts/venv.sh dev
	@sh scripts/paper.sh
	$(PYTEST) -m "not docker and not long" -n 2 --dist loadgroup -q

test: lint unit images
	$(PYTEST) -m "docker and not long" -n 2 --dist loadfile --no-loadscope-reorder -q \
		--durations=15

test-long: lint unit images
	$(PYTEST) -m "docker or long" -n 2 --dist loadfile --no-loadscope-reorder -q \
		--durations=25

# A machine of its own, with IPVS and cgroup v2. Its disks are kept in .cache/vm between runs.
test-vm: engine
	@sh scripts/venv.sh dev
	@.venv/bin/python -m tests.vm $(VM)

# `make lab` as a plain user in folders made from packages, kept in .cache/distributions.
test-distributions: engine
	@sh scripts/venv.sh dev
	@.venv/bin/python -m tests.distributions $(DISTRIBUTIONS)

bench: images
	@.venv/bin/python -m bench.bench --rounds $(ROUNDS)

# Pages made from the code are made anew; the build itself needs no network.
docs:
	@sh scripts/venv.sh docs
	@.venv/bin/python scripts/reference.py
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --quiet --clean
	@echo "· The documents are in site/: open site/index.html"

wheel:
	@sh scripts/venv.sh
	@rm -rf dist
	@.venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist

# Remove every lab of this machine; images and the build cache stay.
clean:
	@$(SWARMLAB) down --all
