"""A worker, the process of one candidate: the judge's handle of it, and the programs that run inside."""
