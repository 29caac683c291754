"""Read and write the attempt log: the SQLite database that holds the whole state of all runs (searches for a fast
kernel).

Rows are inserted and never changed. The status of a run is derived from its rows and its lock, never stored.
"""
