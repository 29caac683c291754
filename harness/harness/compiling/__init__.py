"""Compiles candidates in the sandbox: source text becomes an artifact and facts. One module per language."""
