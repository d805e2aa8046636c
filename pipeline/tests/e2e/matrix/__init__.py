"""The same situations on every version of every server.

`installations` are the servers, `postgres` and `mysql` the situations, `expected` the rows of each,
`differences` what other versions do otherwise and why, `play` runs a server through its situations.
"""
