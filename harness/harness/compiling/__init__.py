"""Compile candidates in the sandbox: source text becomes an artifact, which a worker loads, and facts about the code.
There is one module per language."""
