"""A notebook: training, images, mistakes, a part defined in a cell, and Jupyter's stop button."""

import asyncio
import threading
import time
from pathlib import Path

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.slow

PATIENCE = 300  # seconds a cell
CELLS = {
    "train": """
import os
import numpy as np
import vaegan
SMALL = dict(dataset="digits", image_size=16, latent_dim=3, batch_size=64, train_images=128, device="cpu",
             evaluate=False, tracker="none")
run = vaegan.train(vae="dense", hidden_dim=8, epochs=2, run_name="first", **SMALL)
""",
    "reconstruct": "print(tuple(run.reconstruct(np.zeros((3, 16, 16), np.uint8)).shape))",
    "mistake": """
try:
    vaegan.train(vae="dense", disc="resnt", **SMALL)
except vaegan.UserError as error:
    print(error)
print(sorted(os.listdir("runs")))
""",
    "define": """
from torch import nn
from vaegan.nets.encoders import register_encoder

@register_encoder("cell_linear")
class CellEncoder(nn.Module):
    def __init__(self, image_shape, latent_dim, *, width: int = 4):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(256, width), nn.Linear(width, 2 * latent_dim))

    def forward(self, x):
        return self.net(x).chunk(2, 1)
""",
    "use": """
own = vaegan.train(encoder="cell_linear", decoder="dense", width=5, epochs=1, run_name="own", **SMALL)
print(type(own.players.encoder).__name__, own.players.encoder.net[1].out_features)
""",
    "stop": """
vaegan.train(vae="dense", hidden_dim=8, epochs=100_000, run_name="stopped", **SMALL)
""",
    "after": """
stopped = vaegan.load("runs/stopped")
print(stopped.checkpoint.exists(), len(stopped.records()) >= 1, tuple(stopped.sample(2).shape))
""",
}


class Executed:
    """The cells of a notebook, executed one after the other in a kernel."""

    def __init__(self, folder: Path):
        self.folder = folder
        cells = [nbformat.v4.new_code_cell(source) for source in CELLS.values()]
        self._cells = dict(zip(CELLS, cells, strict=True))
        client = nbclient.NotebookClient(
            nbformat.v4.new_notebook(cells=cells),
            timeout=PATIENCE,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        with client.setup_kernel():
            for number, (name, cell) in enumerate(self._cells.items()):
                if name == "stop":
                    threading.Thread(target=self._press_stop, args=[client], daemon=True).start()
                client.execute_cell(cell, number)

    def _press_stop(self, client: nbclient.NotebookClient) -> None:
        """Interrupt the kernel, as Jupyter's stop button does, once an epoch is done."""
        metrics = self.folder / "runs" / "stopped" / "metrics.jsonl"
        until = time.monotonic() + PATIENCE
        while not metrics.exists() and time.monotonic() < until:
            time.sleep(0.05)
        interrupted = client.km.interrupt_kernel()
        if asyncio.iscoroutine(interrupted):
            asyncio.run(interrupted)

    def text(self, name: str) -> str:
        """Everything that a cell printed or displayed."""
        outputs = self._cells[name].outputs
        shown = (out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs)
        return "".join(shown)

    def error(self, name: str) -> tuple[str, str] | None:
        """The exception's name and message that ended a cell."""
        found = [out for out in self._cells[name].outputs if out.output_type == "error"]
        return (found[0].ename, found[0].evalue) if found else None


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Executed:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        return Executed(tmp_path_factory.mktemp("notebook"))


def test_progress_shows_in_the_output_of_the_cell(executed):
    assert executed.error("train") is None
    shown = executed.text("train")
    assert "epoch 1/2" in shown and "epoch 2/2" in shown and "Run folder: runs/first" in shown


def test_an_array_is_reconstructed(executed):
    assert (executed.error("reconstruct"), executed.text("reconstruct")) == (None, "(3, 1, 16, 16)\n")


def test_a_mistake_is_an_exception_with_the_command_line_s_text(executed):
    said, runs = executed.text("mistake").splitlines()
    assert said.startswith('--disc resnt: unknown discriminator; did you mean "resnet"?')
    assert runs == "['first']"


def test_a_part_defined_in_a_cell_is_trained(executed):
    assert executed.error("define") is None and executed.error("use") is None
    assert executed.text("use").endswith("CellEncoder 5\n")


def test_the_stop_button_saves_the_run_and_says_how_to_go_on(executed):
    assert executed.error("stop") == ("KeyboardInterrupt", "stopped as asked, and saved")
    shown = executed.text("stop")
    assert "to go on: " in shown and "--resume runs/stopped" in shown
    assert (executed.error("after"), executed.text("after")) == (None, "True True (2, 1, 16, 16)\n")
