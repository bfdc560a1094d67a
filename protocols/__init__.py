"""What crosses a wire: codecs and state machines without I/O, clock or logging.

Everything here runs unchanged on MicroPython >= 1.24 and CPython >= 3.11.
`schema.cddl` is the grammar, `vectors/` holds golden bytes.
"""
