"""What every driver of a port does, and every fake."""
