"""Reading git repositories on other servers, of which nothing is trusted: neither where a name leads, nor what is answered."""
