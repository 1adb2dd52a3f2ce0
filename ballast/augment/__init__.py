"""Images made of photographs: transforms, the store of what was made, shards."""
