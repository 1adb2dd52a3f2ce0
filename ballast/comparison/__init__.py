"""Comparison of several runs: which differences are significant."""
