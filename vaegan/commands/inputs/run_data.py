"""Loads the images of a trained run again."""

from vaegan.config.paths import path_options
from vaegan.config.yaml_files import looked_for, read_config
from vaegan.datasets import Request, Splits, open_source
from vaegan.errors import OptionError, UserError
from vaegan.run.layout import RunPaths
from vaegan.run.trained import Trained


def images_of(trained: Trained, advice: str, **typed: str | None) -> tuple[Request, Splits]:
    """The request for a run's images, and the images.

    advice: for users who have moved the images. typed: `dataset` and `data_dir`, None if they were not typed.
    Raises: OptionError for typed options; UserError that names the run's file for options in it.
    """
    file = RunPaths(trained.folder).config
    stands = read_config(file, origin=str(file))[-1][1]
    if not stands:
        raise UserError(f"{file}: holds no options; put back those of the run")
    options = trained.config.to_dict() | {name: stands[name] for name in path_options() if name in stands}
    options |= {name: value for name, value in typed.items() if value is not None}
    request = Request.of(options)
    try:
        return request, open_source(request).load()
    except OptionError as error:
        if typed.get(error.option) is not None or error.option not in options:
            raise
        reason, _, _ = error.problem.partition(";")  # the advice names flags of a training
        what = f"{file}: {error.option}: {options[error.option]}: {reason}"
        looked = looked_for(file, error.option) if error.option in path_options() else ""
        raise UserError("; ".join(filter(None, [what, looked, advice]))) from None
