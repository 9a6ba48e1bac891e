"""The API's resources, a module for each noun: their types, and functions that make them."""
