"""Running means over steps go on exactly from what a checkpoint keeps."""

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
