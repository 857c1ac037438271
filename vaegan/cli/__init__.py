"""The command line: flags, shared arguments of commands, terminal output, commands to copy."""
