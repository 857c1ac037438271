"""Commands of `python -m vaegan COMMAND`: a module for each, with the command's name.

A module's docstring is the command's help, `add_arguments(parser)` declares its arguments, and
`run(arguments)` executes it; both raise UserError for mistakes that a user can correct. `train`, whose flags
are the options of a run, has `main(arguments, prog)` instead.
"""
