"""Bodies of statements, as data beside the tests, and what plays them to a server."""
