"""What `python -m vaegan COMMAND` does: a module for each command, named as the command is typed.

A module's docstring is the command's help, `add_arguments(parser)` declares what the command takes, and
`run(arguments)` does it; both raise UserError for what a user can mend.
"""
