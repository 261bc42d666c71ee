"""Messengers that are channels of an open line: one package each, behind the contract in `base`."""
