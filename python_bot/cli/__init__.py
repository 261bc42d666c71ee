"""The command line: `botctl <instance> VERB …` and a few verbs without an instance."""
