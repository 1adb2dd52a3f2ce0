"""Lists, inspects, groups and splits a folder of photographs."""
