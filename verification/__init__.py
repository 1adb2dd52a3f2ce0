"""Check that a commit gives the same bytes under conditions that should not matter."""
