"""From a candidate to its verdict; judge.py is the file to read first."""
