"""Does the same commit give the same bytes? Runs that differ in everything else, compared."""
