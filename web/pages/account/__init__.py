"""Pages of the signed-in account."""
