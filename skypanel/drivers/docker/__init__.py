"""Drivers for a Docker daemon: images, and builds in containers."""
