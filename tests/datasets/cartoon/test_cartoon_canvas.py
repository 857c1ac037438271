"""The canvas for cartoon faces: correct distances, and edges with the correct coverage."""

import math
from dataclasses import replace

import pytest
import torch

from vaegan.datasets.cartoon.canvas import Canvas, root, stack
from vaegan.datasets.cartoon.outlines import spline

STAR = [(0.0, -0.7), (0.15, -0.1), (0.8, 0.1), (0.1, 0.25), (0.2, 0.8), (-0.2, 0.3), (-0.6, 0.1)]


def canvas(size: int = 48, degrees: float = 0.0) -> Canvas:
    half_tangent = torch.full((1, 1, 1), math.tan(math.radians(degrees) / 2))
    return Canvas.blank(1, size, 1.0, 0.0).turned(half_tangent, 0.3)


def distance_to_polygon(x: float, y: float, corners: list[tuple[float, float]]) -> float:
    """From one point, by the definition: the nearest point of any edge; the angles around sum to a turn."""
    nearest, turn = math.inf, 0.0
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / math.dist((ax, ay), (bx, by)) ** 2
        t = min(max(t, 0), 1)
        nearest = min(nearest, math.dist((x, y), (ax + t * (bx - ax), ay + t * (by - ay))))
        angle = math.atan2(by - y, bx - x) - math.atan2(ay - y, ax - x)
        turn += (angle + math.pi) % math.tau - math.pi
    return -nearest if abs(turn) > math.pi else nearest


@pytest.mark.parametrize(("degrees", "right"), [(0, 0.0), (25, 0.0), (0, 0.7)])
def test_distance_from_a_polygon(degrees, right):
    """Also where a border cuts it."""
    turned = canvas(degrees=degrees)
    star = [(x + right, y) for x, y in STAR]
    shape, x, y = turned.polygon(stack(star))[0], turned.x()[0], turned.y()[0]
    for row in range(0, 48, 3):
        for column in range(2, 48, 3):
            place = x[row, column].item(), y[row, column].item()
            assert shape[row, column].item() == pytest.approx(distance_to_polygon(*place, star), abs=1e-5)


def test_a_frame_turns_clockwise_about_its_pivot():
    """By a quarter: what lies to the right of the pivot in the frame lies below it on the page."""
    turned = canvas(degrees=90)
    spot = turned.circle(0.5, 0.3, 0.1)[0]
    row, column = divmod(spot.argmin().item(), 48)
    assert turned.page_x[0, 0, column].item() == pytest.approx(0.0, abs=0.03)
    assert turned.page_y[0, row, 0].item() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("size", [24, 48, 200])
@pytest.mark.parametrize(
    ("name", "arguments", "area"),
    [
        ("circle", (0.1, 0.0, 0.5), math.pi * 0.25),
        ("ellipse", (0.1, 0.0, 0.6, 0.4), math.pi * 0.24),
        ("box", (0.0, 0.1, 0.5, 0.3, 0.1), 0.6 - (4 - math.pi) * 0.01),
        ("polygon", (torch.tensor([[[-0.5, 0.5], [0.5, 0.5], [0.0, -0.5]]]),), 0.5),
        (
            "stroke",
            (torch.tensor([[[-0.4, 0.0], [0.4, 0.2]]]), 0.1),
            0.2 * math.hypot(0.8, 0.2) + math.pi * 0.01,
        ),
    ],
)
def test_a_shape_covers_its_area(name, arguments, area, size):
    page = canvas(size, degrees=10)
    page.paint(getattr(page, name)(*arguments), (1.0, 1.0, 1.0))
    assert page.pixels[0, 0].sum().item() * page.pixel**2 == pytest.approx(area, rel=0.03)


@pytest.mark.parametrize("size", [16, 200])
def test_an_outline_has_its_width_at_every_size(size):
    """Also where it is thinner than a pixel."""
    page = canvas(size)
    page.paint_outlined(page.circle(0.0, 0.0, 0.5), (0.0, 0.0, 0.0), 0.04, (1.0, 1.0, 1.0))
    assert page.pixels[0, 0].sum().item() * page.pixel**2 == pytest.approx(math.pi * 0.04, rel=0.08)


def test_a_window_is_a_part_of_the_picture():
    whole, parted = canvas(degrees=10), canvas(degrees=10)
    window = parted.window(-0.5, -0.3, 0.45, 0.4)
    assert 0 < window.pixels[0, 0].numel() < 48 * 48 / 3
    for page in (whole, window):
        page.paint(page.ellipse(0.0, 0.0, 0.3, 0.2), (1.0, 0.5, 0.2))
        page.paint(page.polygon(stack([(-0.1, 0.0), (0.2, 0.0), (0.1, 0.2)])), (0.3, 0.5, 0.2))
    assert torch.equal(whole.pixels, parted.pixels)
    shape = whole.circle(0.0, 0.0, 0.3)
    assert torch.equal(window.cut(whole, shape), window.circle(0.0, 0.0, 0.3))


def test_the_root_is_exact():
    """Whatever the length: torch's own root differs in the last bit."""
    x = torch.rand(100_003, generator=torch.Generator().manual_seed(0))
    exact = x.double().sqrt().float()
    assert torch.equal(root(x), exact)
    assert torch.equal(root(x[3:10]), exact[3:10])


def test_a_point_is_a_polygon_too():
    page = canvas()
    distance = page.polygon(torch.zeros(1, 3, 2))
    torch.testing.assert_close(distance, page.circle(0.0, 0.0, 0.0))


def test_a_spline_goes_through_its_points_with_corners_where_asked():
    points = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]])
    curve = spline(points, 4)
    assert torch.equal(curve[:, ::4], points[..., :2])
    fine = spline(points, 1000)[0]
    step = fine.roll(-1, 0) - fine
    direction = step / step.norm(dim=1, keepdim=True)
    bend = 1 - (direction * direction.roll(1, 0)).sum(1)  # at each point of the curve
    assert bend[1000] > 0.1
    assert bend[[0, 2000, 3000]].max() < 0.01


def test_pictures_do_not_mix():
    """A number of one picture changes that picture alone."""
    page = Canvas.blank(2, 32, 1.0, 0.0)
    page.paint(page.circle(0.0, 0.0, torch.tensor([0.2, 0.6])[:, None, None]), (1.0, 1.0, 1.0))
    for i, radius in enumerate((0.2, 0.6)):
        alone = replace(page, pixels=torch.zeros(1, 3, 32, 32))
        alone.paint(alone.circle(0.0, 0.0, radius), (1.0, 1.0, 1.0))
        assert torch.equal(page.pixels[i], alone.pixels[0])
