"""Defines, reads and writes the messages between the agent and the judge."""
