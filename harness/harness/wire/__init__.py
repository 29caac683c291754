"""Defines, reads and writes the messages between the agent (the program that searches for kernels) and the judge (the
harness process that measures them).
"""
