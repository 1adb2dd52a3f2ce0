"""Makes training images from photographs: transforms, a store of earlier results, and shards."""
