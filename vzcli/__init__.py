"""The `vz` command: one file a subcommand; each parses, calls one stage and prints."""
