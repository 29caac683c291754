"""Proposers, one file each: they turn an ask into a proposal. They do not judge and they do not choose what to ask."""
