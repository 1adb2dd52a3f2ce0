"""A copy of Ballast in a repository that exists already: writing it, and keeping it up to date."""
