"""Runs the harness as a program: the server that answers requests, and the report on this machine for `doctor`."""
