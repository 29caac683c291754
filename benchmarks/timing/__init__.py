"""What timing_truth.py measures: clocks, duels, neighbours."""
