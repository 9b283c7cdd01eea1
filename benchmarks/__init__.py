"""Figures against peers and controls, each script in one run: `python -m benchmarks.NAME` writes results/NAME.json."""
