"""Traefik: its routes, its API and its plugin."""
