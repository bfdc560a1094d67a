"""Benchmarks of real programs: `python -m tests.bench [PART ..]`."""
