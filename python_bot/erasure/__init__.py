"""What leaves the archive again: dialogs that are older than is wished, and persons who ask for it."""
