"""Figures of speed, each beside its peer in one run: `python -m benchmarks`."""
