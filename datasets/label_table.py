"""Reads labels.csv: a file and a class in each row."""

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePath, PurePosixPath

LABEL_TABLE = "labels.csv"
FILE_COLUMNS = ("file", "filename", "file_name", "path", "filepath", "image", "image_name", "name", "id")
CLASS_COLUMNS = ("class", "label", "class_name", "category", "labels")
SEPARATORS = (",", ";", "\t")


def table_text(content: bytes) -> str:
    """The text of a table, decoded as spreadsheets write it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_label_table(
    paths: Sequence[PurePath], place: PurePath, text: str
) -> tuple[dict[int, str], list[str]]:
    """The classes that a table gives to images, by position, and a sentence for each problem found.

    paths: of the images. place: the table's path; its file names are relative to its folder. These names may
    lack their endings, or their folders if only one image has that name.
    """
    start = text.partition("\n")[0]
    separator = max(SEPARATORS, key=start.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if any(map(str.strip, row))]
    columns = _columns(rows[0]) if rows else None
    if columns is None:
        head = separator.join(rows[0])[:60] if rows else "nothing"
        return {}, [f'{place} is not used: its first line needs "file" and "class", and has "{head}"']
    file, name = columns
    exact, loose = _places(paths, place.parent)
    classes: dict[int, str] = {}
    unknown = twice = 0
    for row in rows[1:]:
        if len(row) <= max(file, name) or not row[name].strip():
            continue
        key = _composed(str(PurePosixPath(row[file].strip().replace("\\", "/"))))
        i = exact.get(key, loose.get(key))
        if i is None:
            unknown += 1
        elif classes.setdefault(i, row[name].strip()) != row[name].strip():
            twice += 1
    odd = []
    if unknown:
        odd.append(f"{unknown:,} rows of {place} name no image and are ignored")
    if twice:
        odd.append(f"{twice:,} rows of {place} give an image a second, different class; the first one counts")
    return classes, odd


def _columns(header: Sequence[str]) -> tuple[int, int] | None:
    """The columns of the file and of its class; None if either is missing."""
    names = [cell.strip().casefold() for cell in header]
    file = next((names.index(known) for known in FILE_COLUMNS if known in names), None)
    name = next((names.index(known) for known in CLASS_COLUMNS if known in names), None)
    return None if file is None or name is None else (file, name)


def _places(paths: Sequence[PurePath], folder: PurePath) -> tuple[dict[str, int], dict[str, int]]:
    """Each image's position by its path from that folder, and by shorter names that only one image has."""
    exact: dict[str, int] = {}
    shorter: list[tuple[str, int]] = []
    for i, path in enumerate(paths):
        if path.is_relative_to(folder):
            inside = path.relative_to(folder)
            exact[_composed(inside.as_posix())] = i
            names = {inside.with_suffix("").as_posix(), inside.name, inside.stem}
            shorter += [(_composed(name), i) for name in names]
    return exact, _unique(shorter)


def _composed(name: str) -> str:
    """The name with each accented letter as one character: a Mac may write two where a table has one."""
    return unicodedata.normalize("NFC", name)


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The names that belong to one position only."""
    found: dict[str, int | None] = {}
    for name, i in pairs:
        found[name] = None if name in found else i
    return {name: i for name, i in found.items() if i is not None}
