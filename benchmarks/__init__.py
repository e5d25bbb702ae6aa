"""Measurements: `stylesearch bench` runs them; checks that take minutes run by hand, `python -m benchmarks.NAME`."""
