"""Running means: written-out values, parts of a step, a checkpoint, held-out images."""

import pytest
import torch

from vaegan.objective.memory import Memory


def step(memory, number):
    for name, decay in (("slow", 0.99), ("last", 0.0)):
        memory.add(name, torch.tensor(1 / (number + 3)), 5, decay)
    memory.commit()


def test_a_memory_that_was_saved_goes_on_to_the_bit():
    memory, loaded = Memory(), Memory()
    for number in range(7):
        step(memory, number)
    loaded.load({name: value.clone() for name, value in memory.state().items()})
    for number in range(7, 12):
        for name in ("slow", "last"):
            assert loaded.value(name).equal(memory.value(name))
        step(memory, number)
        step(loaded, number)


def test_a_decay_of_0_keeps_the_last_step_alone():
    memory = Memory()
    step(memory, 0)
    step(memory, 1)
    assert memory.value("last").item() == torch.tensor(1 / 4).item()


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


def test_held_out_images_read_the_averages_and_change_none():
    memory = Memory()
    memory.add("a", scalar(3), 1, decay=0.9)
    memory.commit()
    reading = memory.reading()
    assert reading.value("a").item() == pytest.approx(3)
    reading.add("a", scalar(100), 1, decay=0.9)
    memory.commit()
    assert memory.value("a").item() == pytest.approx(3)


def test_a_loaded_average_is_used_on_the_device_of_what_comes_next():
    memory = Memory()
    memory.add("a", scalar(2), 1, decay=0.5)
    memory.commit()
    loaded = Memory()
    loaded.load(memory.state())
    loaded.add("a", torch.tensor(4.0, dtype=torch.float64), 1, decay=0.5)  # as another device would be
    loaded.commit()
    assert loaded.value("a").dtype == torch.float64
