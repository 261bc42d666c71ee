"""Between the channels and the portal's open lines: everything that is written once for all messengers."""
