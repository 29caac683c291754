"""Builds reports from the attempt log: the `model*` modules hold plain data, the others format it as text or JSON.

This package knows no command and prints nothing.
"""
