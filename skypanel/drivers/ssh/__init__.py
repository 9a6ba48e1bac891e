"""Drivers for SSH: other machines, and keys."""
