"""Drivers for object storage."""
