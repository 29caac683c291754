"""Define the frozen types that every package of the agent (the program that searches) uses: tasks, candidates, runs,
attempts, verdicts, and the protocols between the parts. Only the modules that read a task folder or a text file do
input or output.
"""
