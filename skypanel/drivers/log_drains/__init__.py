"""Log drains, by asyncio's streams and aiohttp."""
