"""Names and paths of the files in a run's folder; no other file repeats these names.

There are two exceptions. The names by which a folder is recognised as a run's are in vaegan/marks.py, since
data sets skip such folders and import tools only. The names of single checkpoints are in
vaegan/training/checkpoint.py, which gets the folder to write them into.
"""

from pathlib import Path

from vaegan.marks import CHECKPOINTS, CONFIG, ENVIRONMENT, FIGURES, METRICS

EVALUATION = "evaluation.json"
REPORT = "report.html"
VAE_WEIGHTS = "VAE_model.pth"  # plain state dictionaries, for other programs
GENERATOR_WEIGHTS = "DCGAN_model_G.pth"
DISCRIMINATOR_WEIGHTS = "DCGAN_model_D.pth"


class RunPaths:
    """Paths of a run's files, which need not exist."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = folder / CONFIG  # resolved options, which --config takes
        self.environment = folder / ENVIRONMENT  # versions, device, commit, command line
        self.metrics = folder / METRICS  # a record an epoch
        self.checkpoints = folder / CHECKPOINTS  # a folder: all that the run is resumed from
        self.fork = folder / "fork.json"  # the run whose solo epochs this one has
        self.skipped = folder / "skipped.txt"  # image files that could not be read
        self.lock = folder / ".lock"  # held by the process that trains
        self.wandb = folder / "wandb"  # files of Weights & Biases
        self.figures = folder / FIGURES  # a folder: pictures of the run and of its evaluation
        self.reconstructions = self.figures / "reconstructions.png"
        self.latest_samples = self.figures / "samples.png"
        self.curves = self.figures / "curves.png"
        self.animation = self.figures / "samples.gif"
        self.samples = self.figures / "samples"  # a folder: a grid for each epoch that was drawn
        self.evaluation = folder / EVALUATION
        self.report = folder / REPORT
        self.plugins = folder / "plugins"  # a folder: copies of the plug-ins that the run was made with
        self.exports = folder / "exports"  # a folder: programs that run without this package

    @classmethod
    def of_checkpoint(cls, checkpoint: Path) -> "RunPaths":
        """Paths of the run that wrote a checkpoint, if the checkpoint is still in its place."""
        return cls(checkpoint.parent.parent)

    def samples_after(self, epoch: int) -> Path:
        """Grid of samples drawn after that epoch, from 1."""
        return self.samples / f"epoch-{epoch:04}.png"


def names_of_runs(folder: Path) -> list[str]:
    """Names of the runs in a folder of runs, for suggestions."""
    return [config.parent.name for config in folder.glob(f"*/{CONFIG}")]
