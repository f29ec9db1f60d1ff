"""The past of a recorded session: logits of results, and memories made again of them where a pass needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.tensors import ChosenMask
from masklet.predict.feature_cache import FrameFeatures
from masklet.predict.logit_store import LogitStore
from masklet.predict.preprocessing import mask_logits
from masklet.predict.prompting import keep
from masklet.predict.track import Track
from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_selection import MemorySelection
from masklet.types import ObjectId


@dataclass(frozen=True, eq=False)
class Past:
    """What was answered and tracked so far.

    Attributes:
        model: the model.
        tracks: of all objects.
        logits: of their results.
        features: of frames.
    """

    model: Model
    tracks: Mapping[ObjectId, Track]
    logits: LogitStore
    features: FrameFeatures

    def stored_logits(self, object_id: ObjectId, frame_index: int) -> Tensor:
        """The logits of a result; of one that was restored without them, those of its mask."""
        key, side, device = (object_id, frame_index), self.model.config.image_size, self.model.device
        if key in self.logits:
            return torch.from_numpy(self.logits.get(key, side // 4)).to(device)[None, None]
        return mask_logits(self.tracks[object_id].results[frame_index].mask.to_mask(), side, device)

    def store(self, frame_index: int, chosen: Mapping[ObjectId, ChosenMask]) -> None:
        """Keep logits; done before anything else changes, because it fails where there is no room."""
        self.logits.put({(i, frame_index): mask.logits[0, 0].cpu().numpy() for i, mask in chosen.items()})

    def remembered(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        """The mask of which a memory was made."""
        entry = self.tracks[object_id].bank[frame_index]
        logits = self.stored_logits(object_id, frame_index)
        iou, score = logits.new_tensor([[entry.iou], [entry.object_score]])
        return ChosenMask(logits, iou, entry.pointer, score)

    def shown(self, object_id: ObjectId, frame_index: int) -> ChosenMask:
        """A result as a mask, without its pointer."""
        result = self.tracks[object_id].results[frame_index]
        score = torch.tensor([result.presence], device=self.model.device).logit()
        iou, pointer = score.new_tensor([result.iou]), score.new_zeros(1, self.model.config.embed_dim)
        return ChosenMask(self.stored_logits(object_id, frame_index), iou, pointer, score)

    def restore(self, recalls: Iterable[tuple[ObjectId, MemoryBank, MemorySelection]]) -> None:
        """Make the spatial memories again that were dropped and are recalled now, frame by frame."""
        dropped: dict[tuple[int, bool], dict[int, tuple[MemoryBank, ChosenMask]]] = {}
        for n, (i, bank, recall) in enumerate(recalls):
            for frame_index, _ in recall.maps:
                if frame_index not in bank.mapped:
                    lost = dropped.setdefault((frame_index, frame_index in self.tracks[i].prompts), {})
                    lost[n] = bank, self.remembered(i, frame_index)
        for (frame_index, prompted), lost in sorted(dropped.items(), key=lambda item: item[0]):
            keep(self.model, self.features[frame_index], frame_index, lost, prompted=prompted)
