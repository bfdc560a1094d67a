"""Inspection reports of bridges after shaking: what to look at first, and why.

evidence reads the store, assess judges, content says it in two languages, html and pdf set it,
worker does all of this in a process of its own, inspections starts that from the hub.
"""
