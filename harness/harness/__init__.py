"""The judge's program: it builds, runs, checks and times candidates, which cannot read or change the judge's clock."""
