"""Boards and devices as data:

What is wired where, what is sampled when. New ones are new files.
"""
