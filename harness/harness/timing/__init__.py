"""How a candidate is timed: plans, timing sessions, batches and scores."""
