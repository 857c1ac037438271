"""The number of cores to compute with: as many as requested, if available."""

import os

import pytest

from vaegan import devices
from vaegan.ablation.pools import LocalPool
from vaegan.datasets import decode
from vaegan.devices import cores


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of so many cores for this process, with these files of a container, by name."""
    monkeypatch.setattr(devices, "CGROUPS", tmp_path)

    def made(there, threads=None, **files):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(there)), raising=False)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if threads is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)

    return made


@pytest.mark.parametrize(
    ("threads", "expected"),
    [(None, 8), ("3", 3), ("64", 8), ("4,2", 4), (" 2 ", 2), ("0", 8), ("-1", 8), ("many", 8), ("", 8)],
)
def test_cores_are_those_asked_for_but_no_more_than_there_are(machine, threads, expected):
    machine(8, threads)
    assert cores() == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu_max": "200000 100000\n"}, 2),
        ({"cpu_max": "150000 100000\n"}, 2),
        ({"cpu_max": "10000 100000\n"}, 1),
        ({"cpu_max": "max 100000\n"}, 8),
        ({"cpu_max": "6400000 100000\n"}, 8),
    ],
)
def test_a_container_s_quota_is_all_that_there_is(machine, files, expected):
    machine(8, **files)
    assert cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8)])
def test_a_quota_of_the_first_version_of_cgroups(machine, tmp_path, quota, expected):
    machine(8)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cores() == expected


def test_a_system_without_affinities_tells_its_cores(machine, monkeypatch):
    machine(8)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_runs_beside_each_other_share_them(machine):
    machine(8, "6")
    assert LocalPool(2).threads == 3


def test_as_many_processes_decode(machine, monkeypatch):
    """Many files are read by a process for each of these cores, not for each of the machine's."""
    machine(8, "3")
    begun = []

    def loader(items, num_workers, **options):
        begun.append(num_workers)
        return []

    monkeypatch.setattr(decode, "DataLoader", loader)
    for n_items in (decode.WORTH_PROCESSES, decode.WORTH_PROCESSES - 1):
        assert list(decode.in_parallel(range(n_items), str)) == []
    assert begun == [3, 0]
