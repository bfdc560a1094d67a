"""A file in which the runner finds nothing to run."""
