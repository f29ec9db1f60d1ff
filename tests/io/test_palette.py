"""The colors of objects."""

from __future__ import annotations

import numpy as np

from masklet.io import PALETTE, color_of


def test_every_id_has_a_color_of_its_own_and_the_background_is_black() -> None:
    assert PALETTE.shape == (256, 3)
    assert PALETTE[0].tolist() == [0, 0, 0]
    assert len({tuple(color) for color in PALETTE.tolist()}) == 256
    assert not PALETTE.flags.writeable


def test_the_first_colors_differ_for_the_color_blind() -> None:
    """Seen without the red-green axis (Vienot et al. 1999, in linear light), the first eight stay apart."""
    to_lms = np.array([[17.8824, 43.5161, 4.1193], [3.4557, 27.1554, 3.8671], [0.02996, 0.18431, 1.4670]])
    for lost in (
        np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),  # protanopia
        np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),  # deuteranopia
    ):
        linear = (PALETTE[1:9] / 255.0) ** 2.2
        seen = np.clip(linear @ (np.linalg.inv(to_lms) @ lost @ to_lms).T, 0, 1) ** (1 / 2.2) * 255
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(8) * 1000
        assert apart.min() > 25


def test_large_ids_take_the_colors_again_and_are_never_black() -> None:
    assert color_of(1) == color_of(256) == tuple(PALETTE[1].tolist())
    assert all(color_of(n) != (0, 0, 0) for n in range(1, 2000))
