"""Sources: the trees that builds start from."""
