# The commands of this house. `make run` to see it, `make test` to check everything that CI checks.
.PHONY: help run demo test lint format proof bench
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

run:  ## start the service center here (PORT, DATABASE_URL and REDIS_URL are honored; Ctrl-C stops it)
	@scripts/run || [ $$? = 130 ]

demo:  ## throw the demo center's records away and make them anew
	@scripts/demo

test:  ## lint, types, contracts and the suite on both databases (ARGS="-k word" for a part)
	@scripts/test $(ARGS)

lint:  ## lint, and contracts only
	@scripts/test --lint

format:  ## let ruff and djade rewrite what they can
	@scripts/venv dev
	@.venv/bin/python -m ruff check --fix-only --quiet .
	@.venv/bin/python -m ruff format --quiet .

proof:  ## the long proofs: kill tests, storms of sweeps, full replays
	@scripts/proof $(ARGS)

bench:  ## what things cost, as ratios to an anchor of our own
	@scripts/venv dev
	@bench/run $(ARGS)
