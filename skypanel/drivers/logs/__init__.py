"""Logs in files."""
