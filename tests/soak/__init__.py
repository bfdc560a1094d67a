"""The long tiers of the tests: hours where `make test` takes seconds. `python -m tests.soak`."""
