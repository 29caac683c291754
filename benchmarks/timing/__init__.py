"""Holds the parts of timing_truth.py: clocks, duels, neighbours."""
