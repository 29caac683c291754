"""Builds reports from the attempt log: the `model*` modules build dataclasses without formatting, and the other modules
format these as text or JSON.

This package knows no command and prints nothing.
"""
