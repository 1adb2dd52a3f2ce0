"""Several runs side by side: which differences are more than chance."""
