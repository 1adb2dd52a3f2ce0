"""How good the predictions of one run are, and how sure that is."""
