"""Traefik: its routes, its API and our plugin."""
