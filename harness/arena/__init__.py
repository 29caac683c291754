"""Buffers that the judge owns and the worker maps."""
