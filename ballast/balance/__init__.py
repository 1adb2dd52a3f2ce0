"""Which balancing methods there are, as numbers: counts, weights, orders, offsets."""
