"""A folder of photographs: listed, inspected, grouped and split."""
