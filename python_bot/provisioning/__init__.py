"""What a server needs for an instance, as data (`plan`), and the careful doing of it (`transaction`)."""
