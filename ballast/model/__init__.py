"""Networks: building, training, saving and loading them, and what they predict."""
