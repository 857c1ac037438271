"""The command line: flags, arguments that commands share, the terminal, commands that it names."""
