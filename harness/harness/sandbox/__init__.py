"""Starts builds and workers (the processes that run candidates) in a sandbox: the launcher and the guards that it sets
up.
"""
