"""Loki, by aiohttp."""
