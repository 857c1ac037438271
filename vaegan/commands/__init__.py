"""Commands of `python -m vaegan COMMAND`: a module for each, named as the command is typed.

A module's docstring is the command's help, `add_arguments(parser)` declares what the command takes, and
`run(arguments)` does it; both raise UserError for what a user can mend. `train`, whose flags are the options
of a run, has `main(arguments, prog)` in their place.
"""
