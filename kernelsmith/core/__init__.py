"""The frozen types that all packages of the agent use: tasks, candidates, runs, attempts and verdicts.

Only the modules that read a task folder or a text file do I/O.
"""
