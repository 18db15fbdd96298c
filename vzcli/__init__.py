"""The `vz` command. Each subcommand has one file: it parses the options, calls one stage and prints the result."""

INTERRUPTED = 130  # exit code
REPEAT = "interrupted; finished work is kept: repeat the command to continue"
