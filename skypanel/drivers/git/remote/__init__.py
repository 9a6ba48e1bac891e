"""Reads git repositories on other servers. Neither their addresses nor their answers are trusted."""
