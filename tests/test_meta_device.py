"""Models on the meta device, where nothing can be read: what copies data to the host shows, as it would on a GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from masklet.io import ArrayVideo
from masklet.model.config import NANO, TEST_EDGETAM, TEST_EFFICIENTTAM, TEST_TINY, ModelConfig
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.postprocess import PostProcess
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts

META = torch.device("meta")
CONFIGS = {"sam2": TEST_TINY, "nano": NANO, "edgetam": TEST_EDGETAM, "efficienttam": TEST_EFFICIENTTAM}
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
READS = (torch.ops.aten._local_scalar_dense, torch.ops.aten.item, torch.ops.aten.is_nonzero)
FRAME = np.zeros((40, 60, 3), np.uint8)
MASK = np.pad(np.ones((10, 10), bool), ((10, 20), (10, 40)))


class HostReads(TorchDispatchMode):
    """Counts copies of whole tensors to the host, which give zeros here, and reads of single values."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        from_device = bool(args) and isinstance(args[0], torch.Tensor) and args[0].device.type == "meta"
        if from_device and func.overloadpacket in READS:
            self.counts["values"] += 1
            return 0
        if from_device and options.get("device") == torch.device("cpu"):
            self.counts["copies"] += 1
            return torch.zeros(args[0].shape, dtype=options.get("dtype") or args[0].dtype)
        return func(*args, **options)


def meta_model(config: ModelConfig, dtype: torch.dtype = torch.float32) -> Sam2:
    with torch.device(META):
        model = Sam2(config)
    return model.to(dtype).eval().requires_grad_(False)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CONFIGS)
@torch.inference_mode()
def test_the_methods_read_nothing(name: str, dtype: torch.dtype) -> None:
    config = CONFIGS[name]
    model, side = meta_model(config, dtype), config.image_size
    reads = HostReads()
    with reads:
        features = model.encode_image(torch.zeros(1, 3, side, side, device=META))
        prompts = PromptTensors(torch.zeros(2, 3, 2, device=META), torch.ones(2, 3, dtype=torch.long, device=META))
        prediction = model.decode(model.condition(features, None), prompts)
        chosen = model.use_mask_as_output(features, torch.ones(2, 1, side, side, device=META))
        maps = [model.encode_memory(features, chosen, prompted=prompted) for prompted in (True, False)]
        memory = MemoryTokens(
            torch.stack(maps, dim=1),
            torch.zeros(2, 2, dtype=torch.long, device=META),
            torch.stack([chosen.pointer] * 3, dim=1),
            torch.zeros(2, 3, device=META),
        )
        conditioned = model.condition(features, memory)
    assert isinstance(conditioned, ImageFeatures)
    assert conditioned.embedding.shape[0] == len(prediction) == 2
    assert {t.device.type for t in (conditioned.embedding, prediction.logits, chosen.pointer, *maps)} == {"meta"}
    assert not reads.counts


def reads_of_a_step(config: ModelConfig, objects: int, memory: Any, **options: Any) -> Counter[str]:
    """Copies and reads of the third frame, which tracks every object."""
    tracker = StreamTracker(meta_model(config), memory=memory, postprocess=PostProcess(**options))
    reads = HostReads()
    with reads:
        tracker.step(FRAME, {i + 1: Prompts.from_mask(MASK) for i in range(objects)})
        tracker.step(FRAME)
        reads.counts.clear()
        masks = tracker.step(FRAME)
    assert masks.object_ids == tuple(range(1, objects + 1))
    return reads.counts


@pytest.mark.parametrize("options", [{}, {"fill_holes": 4, "remove_specks": 4}], ids=["", "cleaned"])
@pytest.mark.parametrize("objects", [1, 5])
@pytest.mark.parametrize("name", CONFIGS)
def test_one_copy_a_step_however_many_objects(name: str, objects: int, options: dict[str, Any]) -> None:
    assert reads_of_a_step(CONFIGS[name], objects, "plain", **options) == {"copies": 1}


@pytest.mark.parametrize("memory", ["gated", "distractor", "motion", "tree", "auto"])
def test_rules_read_the_candidates_once(memory: str) -> None:
    """Rules choose on the host: the candidates of all objects come in one copy before the scores and masks."""
    one, five = (reads_of_a_step(NANO, objects, memory) for objects in (1, 5))
    assert one == five == {"copies": 2}


def test_a_session_copies_logits_masks_and_scores_of_all_objects_together() -> None:
    def reads_of_a_pass(objects: int) -> Counter[str]:
        session = VideoSession(meta_model(TEST_TINY), ArrayVideo(np.stack([FRAME] * 4)))
        reads = HostReads()
        with reads:
            for i in range(objects):
                session.prompt(0, object_id=i + 1, prompts=Prompts.from_mask(MASK))
            frames = session.propagate()
            next(frames)
            reads.counts.clear()
            assert next(frames).object_ids == tuple(range(1, objects + 1))
            return reads.counts

    assert reads_of_a_pass(1) == reads_of_a_pass(5) == {"copies": 3}
