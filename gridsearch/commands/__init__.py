"""The command line: what each command does, shows and writes to start from."""
