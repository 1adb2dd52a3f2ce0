"""Ballast: balance a small image set, and show whether balancing helped."""
