"""Messages to services that Apprise knows."""
