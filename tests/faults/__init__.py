"""Faults of the machine that a test can order: a disk that loses power, fills up or fails."""
