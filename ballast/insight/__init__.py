"""What lies behind the figures: where the model looks, which labels to doubt, what to collect."""
