"""The untrusted side: what runs beside a candidate, in its sandbox."""
