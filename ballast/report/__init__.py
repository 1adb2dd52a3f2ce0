"""HTML pages, plots and model cards."""
