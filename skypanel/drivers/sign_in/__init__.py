"""Codes and passkeys to sign in by."""
