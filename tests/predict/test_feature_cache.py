"""Features of the frames looked at last."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8

from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.feature_cache import KEPT, FeatureCache


@torch.inference_mode()
def test_the_last_few_are_kept(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    cache = FeatureCache(tiny, ArrayVideo(clip))
    first = cache[0]
    for index in range(1, KEPT):
        assert not torch.equal(cache[index].embedding, first.embedding)
    assert cache[0] is first
    assert cache[KEPT] is not None
    assert len(cache) == KEPT
    assert cache[0] is first
    again = cache[1]
    assert len(cache) == KEPT
    assert torch.equal(again.embedding, FeatureCache(tiny, ArrayVideo(clip))[1].embedding)
