"""Runs the harness (the program that judges kernels) as a process: the server that answers requests, and the report on
this machine for `kernelsmith doctor`.
"""
