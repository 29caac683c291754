"""The program that judges: it builds, runs, checks and times candidates where they cannot reach the clock."""
