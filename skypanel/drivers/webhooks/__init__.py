"""Webhooks, by aiohttp."""
