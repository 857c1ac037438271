"""Docstrings begin with a noun phrase or a verb, not with a question word as their subject."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("vaegan", "datasets", "benchmarks", "tests")
QUESTION_WORDS = {"what", "which", "whether", "where", "how"}


def documented(source: str) -> Iterator[tuple[int, str]]:
    """The line and the docstring of a module, and of its classes and functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def is_riddle(text: str) -> bool:
    return text.split()[0].strip(",.:;").lower() in QUESTION_WORDS


@pytest.mark.parametrize("folder", SOURCES)
def test_docstrings_begin_with_their_subject_or_a_verb(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for file in files
        for line, text in documented(file.read_text(encoding="utf-8"))
        if is_riddle(text)
    ]
    assert not found, "\n".join(found)


def test_each_kind_of_docstring_is_seen():
    source = (
        '"""What it is."""\nclass A:\n    """How it is."""\n    async def f(self):\n        """Its value."""'
    )
    assert [(line, is_riddle(text)) for line, text in documented(source)] == [
        (1, True),
        (2, True),
        (4, False),
    ]
