"""Start-up time, peak memory and images per second on folders of drawn faces: cached and in memory.

The protocol is in benchmarks/README.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NETWORK = ["--vae", "dense", "--hidden-dim", "64", "--latent-dim", "8", "--batch-size", "256"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000], metavar="INT")
    parser.add_argument("--size", type=int, default=64, metavar="INT", help="pixels a side (default: 64)")
    given = parser.parse_args()
    counts, size = given.counts, str(given.size)
    print(f"{'images':>9}{'from':>14}{'start, s':>10}{'peak, MiB':>11}{'images/s':>10}{'an epoch, s':>13}")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for count in counts:
            faces = place / f"faces-{count}"
            began = time.perf_counter()
            _python("-m", "vaegan", "draw-cartoon", str(faces), "--count", str(count), "--size", size)
            print(f"{count:>9,}{'(drawing)':>14}{time.perf_counter() - began:>10.1f}", flush=True)
            for name, limit in (("first start", 0), ("cache", 0), ("memory", 2**20)):
                run = place / f"{name}-{count}"
                options = ["--dataset", faces, "--image-size", size, "--epochs", "1", "--wandb", "disabled"]
                options += ["--evaluate", "false"]  # not part of a start
                options += ["--memory-limit", limit, "--cache-dir", place / "cache"]
                options += ["--runs-dir", run.parent, "--run-name", run.name]
                began = time.perf_counter()
                _python("train_vaegan.py", *NETWORK, *map(str, options))
                wall = time.perf_counter() - began
                record = json.loads((run / "metrics.jsonl").read_text())
                epoch = record["time/epoch_s"] + record["time/test_s"]
                print(
                    f"{count:>9,}{name:>14}{wall - epoch:>10.1f}{record['memory/peak_mib']:>11,.0f}"
                    f"{record['time/images_per_s']:>10,.0f}{record['time/epoch_s']:>13.1f}",
                    flush=True,
                )


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
