"""Drivers for encryption and passwords."""
