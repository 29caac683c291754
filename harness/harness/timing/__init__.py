"""Time a candidate: plan its batches, run them in a timing session, and turn their times into a score."""
