"""Running means: written-out values, parts of a step, a checkpoint, held-out images."""

import pytest
import torch

from vaegan.objective.memory import Memory


def scalar(value):
    return torch.tensor(float(value))


def test_averages_are_corrected_for_their_start():
    memory = Memory()
    assert memory.value("a") is None
    seen = []
    for value in (4, 8, 8):
        memory.add("a", scalar(value), 5, decay=0.5)
        memory.commit()
        seen.append(memory.value("a").item())
    # 0.5 * 4 / 0.5; (0.25 * 4 + 0.5 * 8) / 0.75; (0.125 * 4 + 0.25 * 8 + 0.5 * 8) / 0.875
    assert seen == pytest.approx([4, 20 / 3, 52 / 7])


def test_parts_of_a_step_are_averaged_by_their_images_and_seen_after_it():
    memory = Memory()
    memory.add("a", scalar(1), 6, decay=0.9)
    memory.add("a", scalar(5), 2, decay=0.9)
    memory.add("a", scalar(float("nan")), 0, decay=0.9)  # a process with no image
    assert memory.value("a") is None
    memory.commit()
    assert memory.value("a").item() == pytest.approx(2)
    memory.commit()  # a step that adds nothing
    assert memory.value("a").item() == pytest.approx(2)


def test_a_loaded_state_goes_on_the_same():
    first, second = Memory(), Memory()
    for value in (3, 1):
        first.add("norm/adv", scalar(value), 4, decay=0.95)
        first.commit()
    second.load(first.state())
    for memory in (first, second):
        memory.add("norm/adv", scalar(7), 4, decay=0.95)
        memory.commit()
    assert second.value("norm/adv").equal(first.value("norm/adv"))


def test_held_out_images_read_the_averages_and_change_none():
    memory = Memory()
    memory.add("a", scalar(3), 1, decay=0.9)
    memory.commit()
    reading = memory.reading()
    assert reading.value("a").item() == pytest.approx(3)
    reading.add("a", scalar(100), 1, decay=0.9)
    memory.commit()
    assert memory.value("a").item() == pytest.approx(3)
