"""Appearance embeddings: similar for similar features under two masks, independent of position and size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from masklet.model.tensors import ImageFeatures
from masklet.tracking.appearance import appearance_embeddings, max_similarity

SIDE = 4


def picture(*patches: tuple[int, int, int], shift: float = 0.0) -> ImageFeatures:
    """Two kinds of things on a 4 x 4 grid: (kind, row, column)."""
    coarse = torch.zeros(1, 3, SIDE, SIDE)
    for kind, row, column in patches:
        coarse[0, kind, row, column] = 1.0
    fine = coarse.repeat_interleave(2, -2).repeat_interleave(2, -1)
    return ImageFeatures(coarse + shift, fine, torch.zeros(1, 1, 16, 16))


def cell(row: int, column: int) -> Tensor:
    """A mask of one cell of the grid, at four times its resolution."""
    mask = torch.zeros(1, 1, 4 * SIDE, 4 * SIDE, dtype=torch.bool)
    mask[..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = True
    return mask


def test_the_same_thing_looks_alike_elsewhere_and_another_does_not() -> None:
    before, after = picture((0, 0, 0), (1, 3, 3)), picture((0, 2, 1), (1, 0, 0), shift=5.0)
    asked = appearance_embeddings(before, cell(0, 0))[0, 0]
    same, other = appearance_embeddings(after, torch.cat([cell(2, 1), cell(0, 0)], dim=1))[0]
    assert float(asked @ same) > 0.999  # and what is added to a whole picture at stride 16 does not count
    assert float(asked @ other) < 0.3


def test_looks_have_length_one_and_empty_masks_none() -> None:
    found = appearance_embeddings(picture((0, 1, 1), (2, 0, 3)), torch.cat([cell(1, 1), cell(0, 3) & False], dim=1))
    np.testing.assert_allclose(found.norm(dim=-1).numpy(), [[1.0, 0.0]], atol=1e-6)


def test_rows_of_other_pictures_and_one_picture_for_all() -> None:
    one, two = picture((0, 1, 1)), picture((1, 1, 1))
    masks = torch.cat([cell(1, 1), cell(1, 1)])
    together = ImageFeatures(
        *(torch.cat(pair) for pair in zip(_maps(one), _maps(two), strict=True)),
    )
    apart = [appearance_embeddings(each, cell(1, 1))[0] for each in (one, two)]
    np.testing.assert_allclose(appearance_embeddings(together, masks).numpy(), torch.stack(apart).numpy(), atol=1e-6)
    np.testing.assert_allclose(appearance_embeddings(one, masks)[1].numpy(), apart[0].numpy(), atol=1e-6)


def test_similarity_is_that_to_the_most_similar_reference() -> None:
    embeddings, references = torch.eye(3), torch.tensor([[1, 0, 0], [0.6, 0.8, 0]])
    np.testing.assert_allclose(max_similarity(embeddings, references).numpy(), [1.0, 0.8, 0.0], atol=1e-6)
    np.testing.assert_array_equal(max_similarity(embeddings, None).numpy(), np.ones(3))


def _maps(features: ImageFeatures) -> tuple[Tensor, ...]:
    return features.maps
