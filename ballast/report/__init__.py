"""Pages, plots and the model card of a run."""
