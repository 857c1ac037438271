"""Advice on files that are no data sets: the kind of each, and what to do."""

from pathlib import Path

from vaegan.datasets.kinds import IMAGE, UNREAD, kind_of
from vaegan.datasets.listing import first_bytes

AS_ARRAY = 'save the images as an array [N, H, W, C]: numpy.savez("set.npz", images=..., labels=...)'
UNPACK = "unpack it and give the folder"
KINDS = {
    # kind: (what to do, endings of file names)
    "a packed archive": (UNPACK, (".7z", ".rar", ".zst", ".lz4", ".z", ".cab", ".iso", ".dmg")),
    "a compressed file": (UNPACK, (".gz", ".bz2", ".xz", ".lzma")),
    "an HDF5 file": (AS_ARRAY, (".h5", ".hdf5", ".hdf", ".nc")),
    "a MATLAB file": (AS_ARRAY, (".mat",)),
    "TensorFlow records": (AS_ARRAY, (".tfrecord", ".tfrecords")),
    "a file of PyTorch's": (AS_ARRAY, (".pt", ".pth", ".ckpt", ".safetensors")),
    "a pickled file, which could run any code": (AS_ARRAY, (".pkl", ".pickle", ".joblib")),
    "an Arrow file": (
        "write its images with Dataset.to_parquet and give that file",
        (".arrow", ".feather"),
    ),
    "a database": (AS_ARRAY, (".lmdb", ".mdb", ".db", ".sqlite")),
    "a table": (f"of labels: give the folder of images; of pixels: {AS_ARRAY}", (".csv", ".tsv", ".jsonl")),
    "raw numbers": (AS_ARRAY, (".bin", ".dat", ".raw", ".idx", "-ubyte")),
    "a config": ("give it as --config", (".yaml", ".yml")),
}


def advice(path: Path) -> str:
    """The file's kind and what to do, in half a sentence."""
    if not path.exists():
        return "a link that leads nowhere"
    name = path.name.lower()
    for what, (todo, endings) in KINDS.items():
        if name.endswith(endings):
            return f"{what}, which is not read; {todo}"
    kind = kind_of(name, lambda: first_bytes(path))
    if kind == IMAGE:
        return "one image; give the folder that contains it"
    if kind is not None:
        return f"{kind}, which is not read; {UNREAD[kind]} and give their folder"
    return f"a file of a kind that is not read; {UNPACK}, or {AS_ARRAY}"
