"""Figures of speed and memory, each a ratio against a yardstick measured in the same run: `python -m bench`."""
