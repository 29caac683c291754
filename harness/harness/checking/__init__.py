"""Draw the inputs of a task's calls, check its benchmark.py, and check whether outputs are right."""
