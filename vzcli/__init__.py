"""The `vz` command: one file a subcommand; each parses, calls one stage and prints."""

INTERRUPTED = 130  # exit code
REPEAT = "interrupted; repeat the command to continue from what is finished"
