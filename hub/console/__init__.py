"""The hub's page for people: what the town hall sees of its devices, now and truly.

`server.serve` runs it in the hub's own event loop; `source.Source` is all it asks of the hub.
"""
