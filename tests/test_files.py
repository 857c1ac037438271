"""Files that are complete or absent: the order of operations, and the remains after a failure."""

import errno
import os
from pathlib import Path

import pytest

from vaegan.files import append_line, link_or_copy, remove_unfinished, write_whole


@pytest.fixture
def operations(monkeypatch):
    """The operations on files, in order."""
    done = []

    def watch(name, path_of):
        do = getattr(os, name)

        def watched(first, *more, **named):
            done.append((name, Path(path_of(first)).name))
            return do(first, *more, **named)

        monkeypatch.setattr(os, name, watched)

    watch("fsync", lambda file: os.readlink(f"/proc/self/fd/{file}"))
    for name in ("replace", "link"):
        watch(name, lambda path: path)
    return done


def refuse(*_):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def temporary_of(path):
    return f".{path.name}.{os.getpid()}"


def test_a_file_is_synced_before_it_takes_its_place_and_its_folder_afterwards(tmp_path, operations):
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    write_whole(path, lambda temporary: temporary.write_text("whole"))
    assert operations == [
        ("fsync", temporary_of(path)),
        ("replace", temporary_of(path)),
        ("fsync", "folder"),
    ]
    assert path.read_text() == "whole"


def test_what_was_there_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def write(temporary):
        temporary.write_text("after")
        assert path.read_text() == "before"

    write_whole(path, write)
    assert path.read_text() == "after"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_what_was_there_and_nothing_else_and_names_the_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    path.write_text("before")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="No space left") as caught:
            write_whole(path, lambda temporary: temporary.write_text("after"))
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def interrupted(temporary):
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("vaegan.files.os.open", refuse)
    write_whole(tmp_path / "file", lambda temporary: temporary.write_text("whole"))
    assert (tmp_path / "file").read_text() == "whole"


def test_a_second_name_is_no_second_copy(tmp_path, operations):
    source, path = tmp_path / "source", tmp_path / "path"
    source.write_text("whole")
    path.write_text("before")
    link_or_copy(source, path)
    assert path.samefile(source)
    assert [name for name, _ in operations] == ["link", "fsync", "replace", "fsync"]
    link_or_copy(source, path)  # onto itself
    assert path.samefile(source) and path.read_text() == "whole"
    assert sorted(tmp_path.iterdir()) == [path, source]


def test_where_a_file_can_have_one_name_only_it_is_copied(tmp_path, monkeypatch):
    source, path = tmp_path / "source", tmp_path / "path"
    source.write_text("whole")
    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(source, path)
    assert path.read_text() == "whole" and not path.samefile(source)
    assert sorted(tmp_path.iterdir()) == [path, source]


def test_replacing_one_of_two_names_leaves_the_other_its_content(tmp_path):
    source, path = tmp_path / "source", tmp_path / "path"
    source.write_text("first")
    link_or_copy(source, path)
    write_whole(source, lambda temporary: temporary.write_text("second"))
    assert (source.read_text(), path.read_text()) == ("second", "first")


def test_a_line_is_synced_when_it_has_been_added(tmp_path, operations):
    path = tmp_path / "lines"
    append_line(path, "one")
    append_line(path, "twö")
    assert path.read_bytes() == "one\ntwö\n".encode()
    assert operations == [("fsync", "lines")] * 2


def test_a_line_that_cannot_be_added_names_the_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        append_line(tmp_path / "lines", "one")
    assert caught.value.filename == str(tmp_path / "lines")


def test_only_what_a_killed_writer_left_is_removed(tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    left = [tmp_path / ".config.yaml.12", below / ".step-00000001.safetensors.99999"]
    others = [tmp_path / name for name in (".lock", "step-1.safetensors", "file.12", ".hidden", ".x.12a")]
    folder = tmp_path / ".folder.12"
    for path in (*left, *others):
        path.write_text("")
    folder.mkdir()
    remove_unfinished(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others) and folder.is_dir()
