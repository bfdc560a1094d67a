"""Readings -> findings; one file for each kind of watch."""
