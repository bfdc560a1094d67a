"""Warnings out: findings -> events -> CAP 1.2 messages -> the ways to people.

    Watch -> Desk (event.py: storm control) -> Outbox (durable) -> Delivery -> a file per channel
          -> Sirens (at once)                  page: /alerts.atom, /alerts/<identifier>.xml

A finding opens an event; while the event lasts it is one alert with updates. A message is durable
before the first channel gets it, and a channel gets it at least once, always under the same
identifier. With the uplink down all of this goes on.
"""
