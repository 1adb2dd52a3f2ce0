"""Networks: building, training, saving, loading, and prediction."""
