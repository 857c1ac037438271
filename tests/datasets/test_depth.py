"""Values of more than 8 bits, and the range that all images of a set share."""

import numpy as np
import pytest

from vaegan.datasets.depth import Extent, range_from, said, to_8_bits

RANGES = {
    # what: (least, greatest, whole numbers, the range)
    "10 bits": (0, 1023, True, (0, 1023)),
    "12 bits, not quite filled": (17, 2048, True, (0, 4095)),
    "14 bits": (0, 16383, True, (0, 16383)),
    "16 bits": (0, 65535, True, (0, 65535)),
    "32 bits": (0, 2**31, True, (0, 2**32 - 1)),
    "8 bits in files of 16": (0, 3, True, (0, 255)),
    "Hounsfield units": (-1024, 3071, True, (-1024, 3071)),
    "fractions to 1": (0.1, 0.3, False, (0, 1)),
    "fractions around 0": (-0.2, 0.3, False, (-1, 1)),
    "fractions to 255": (0, 254.7, False, (0, 255)),
    "a little more than 1": (0, 1.02, False, (0, 1.02)),
    "any fractions": (-1000.5, 400, False, (-1000.5, 400)),
    "one value": (7.5, 7.5, False, (7.5, 8.5)),
}


@pytest.mark.parametrize(("least", "greatest", "whole", "expected"), RANGES.values(), ids=RANGES.keys())
def test_the_range_follows_from_the_least_and_the_greatest_value(least, greatest, whole, expected):
    assert range_from(Extent(least, greatest, whole)) == expected


def test_the_extent_is_that_of_all_images_and_of_finite_values():
    dark, bright = np.array([[1, 5]], np.uint16), np.array([[0.5, np.nan, np.inf, 9]], np.float32)
    assert Extent.of(dark) == Extent(1, 5, True)
    assert Extent.around([Extent.of(dark), Extent.of(bright)]) == Extent(0.5, 9, False)
    assert Extent.of(np.full((2, 2), np.nan)) is None


def test_the_ends_become_black_and_white_and_what_is_outside_the_nearer_end():
    assert to_8_bits(np.array([-9, 0, 2048, 4095, 5000]), (0, 4095)).tolist() == [0, 0, 128, 255, 255]
    assert to_8_bits(np.array([-1.0, 0.0, 1.0]), (-1, 1)).tolist() == [0, 128, 255]


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        to_8_bits(np.array([0.0, np.nan]), (0, 1))


def test_a_range_is_said_as_it_is_typed():
    assert said((0.0, 4095.0)) == "0,4095"
    assert said((-0.5, 1.0)) == "-0.5,1"
