"""Things as the API shows them, a module for each noun: what they are made of, and functions that make them."""
