"""The sensor agent: runs unchanged on MicroPython >= 1.24 and on CPython >= 3.11."""
