"""Proof that the archive is complete and as it was: what was captured, what is missing, and daily manifests."""
