"""Benchmarks: `python -m tests.bench [PART ..]`; each part measures real programs and names its figures."""
