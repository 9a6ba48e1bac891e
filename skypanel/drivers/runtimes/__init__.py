"""Language runtimes: each is fetched once for all apps, and kept as long as there is space."""
