"""Language runtimes: each is fetched once for all apps, and kept while there is space."""
