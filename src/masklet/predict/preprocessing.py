"""Pictures and prompts to tensors of the model's square frame."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from masklet.errors import MediaError
from masklet.geometry import mask_to_model, points_to_model, resize_to_square
from masklet.model.sam2 import MEMORY_BIAS, MEMORY_SCALE
from masklet.model.tensors import PromptTensors
from masklet.types import Prompts, RgbImage, Size


def image_tensor(picture: RgbImage, image_size: int, device: torch.device) -> Float[Tensor, "1 3 s s"]:
    """A still picture to RGB in [0, 1], stretched bilinearly with antialiasing, as the public image predictor does."""
    rgb = torch.from_numpy(np.array(check_image(picture), order="C")).to(device)  # a copy: it may be read-only
    return resize_to_square(rgb.permute(2, 0, 1)[None].float().div_(255), image_size)


def frame_tensor(frame: RgbImage, image_size: int, device: torch.device) -> Float[Tensor, "1 3 s s"]:
    """A video frame to RGB in [0, 1], stretched bicubically in 8 bits, as the public video predictor does."""
    side = (image_size, image_size)
    square = np.asarray(Image.fromarray(check_image(frame)).resize(side, Image.Resampling.BICUBIC))
    return torch.from_numpy(square.copy()).to(device).permute(2, 0, 1)[None].float().div_(255)


def check_image(picture: object) -> RgbImage:
    """The picture, if it is (h, w, 3) uint8; `MediaError` if not."""
    if not isinstance(picture, np.ndarray):
        raise MediaError(f"expected a picture as a numpy array (height, width, 3), got {type(picture).__name__}")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise MediaError(
            f"expected a picture of shape (height, width, 3) and type uint8 (RGB), got {picture.shape} {picture.dtype}"
        )
    return picture


def prompt_tensors(
    prompts: Prompts,
    size: Size,
    image_size: int,
    *,
    device: torch.device,
    previous: Float[Tensor, "1 1 s s"] | None = None,
) -> PromptTensors:
    """Clicks and box of one object to a batch of 1; a box's corners come before the clicks.

    Args:
        prompts: in pixels of the picture; a mask in them is not looked at (see `mask_tensor`).
        size: (height, width) of the picture.
        image_size: side of the model's square frame.
        device: where the tensors go.
        previous: mask logits of an earlier answer at a quarter of ``image_size``, to be refined.
    """
    points, labels = prompts.points, prompts.labels
    if prompts.box is not None:
        points = np.concatenate([prompts.box.reshape(2, 2), points])
        labels = np.concatenate([np.array([2, 3]), labels])
    placed = torch.from_numpy(points_to_model(points, size, image_size)).to(device)
    return PromptTensors(placed[None], torch.from_numpy(labels).to(device)[None], previous)


def mask_tensor(prompts: Prompts, image_size: int, device: torch.device) -> Float[Tensor, "1 1 s s"]:
    """The mask of a prompt in the model's square frame, 0 or 1."""
    assert prompts.mask is not None
    return mask_to_model(torch.from_numpy(prompts.mask).to(device)[None, None], image_size)


def mask_logits(mask: Bool[np.ndarray, "h w"], image_size: int, device: torch.device) -> Float[Tensor, "1 1 s s"]:
    """The logits that stand for a mask of which nothing else is known, at a quarter of the model's square frame."""
    inside = mask_to_model(torch.from_numpy(mask).to(device)[None, None], image_size)
    return resize_to_square(inside * MEMORY_SCALE + MEMORY_BIAS, image_size // 4)
