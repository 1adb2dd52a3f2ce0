"""Evaluation of one run: metrics, their intervals, and what follows from them."""
