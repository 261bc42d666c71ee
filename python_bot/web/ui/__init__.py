"""`/ui/`: the archive in a browser. Pages made here, a little script of ours beside them, nothing from elsewhere."""
