"""The proposers, one per file: each answers an ask with a proposal. They neither judge nor choose what is asked."""
