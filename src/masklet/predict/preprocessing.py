"""Convert images and prompts to tensors in the model's square frame."""

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


def image_tensor(image: RgbImage, image_size: int, device: torch.device) -> Float[Tensor, "1 3 s s"]:
    """Resize a still image bilinearly with antialiasing, as the reference image predictor does; RGB in [0, 1]."""
    rgb = torch.from_numpy(np.array(check_image(image), order="C")).to(device)  # copied, for arrays that are read-only
    return resize_to_square(rgb.permute(2, 0, 1)[None].float().div_(255), image_size)


def frame_tensor(frame: RgbImage, image_size: int, device: torch.device) -> Float[Tensor, "1 3 s s"]:
    """Resize a video frame bicubically in 8 bits, as the reference video predictor does; RGB in [0, 1]."""
    side = (image_size, image_size)
    square = np.asarray(Image.fromarray(check_image(frame)).resize(side, Image.Resampling.BICUBIC))
    return torch.from_numpy(square.copy()).to(device).permute(2, 0, 1)[None].float().div_(255)


def check_image(image: object) -> RgbImage:
    """Return the image if it is a non-empty (h, w, 3) uint8 array, else raise `MediaError`."""
    if not isinstance(image, np.ndarray):
        raise MediaError(f"expected an image as a numpy array (height, width, 3), got {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise MediaError(
            f"expected an image of shape (height, width, 3) and type uint8 (RGB), got {image.shape} {image.dtype}"
        )
    return image


def prompt_tensors(
    prompts: Prompts,
    size: Size,
    image_size: int,
    *,
    device: torch.device,
    previous: Float[Tensor, "1 1 s s"] | None = None,
) -> PromptTensors:
    """Convert the clicks and the box of one object to a batch of 1; the corners of the box precede the clicks.

    Args:
        prompts: in pixels of the image; a mask among them is ignored (see `mask_tensor`).
        size: (height, width) of the image.
        image_size: side of the model's square frame.
        previous: mask logits to start from, at a quarter of ``image_size``.
    """
    points, labels = prompts.points, prompts.labels
    if prompts.box is not None:
        points = np.concatenate([prompts.box.reshape(2, 2), points])
        labels = np.concatenate([np.array([2, 3]), labels])
    scaled = torch.from_numpy(points_to_model(points, size, image_size)).to(device)
    return PromptTensors(scaled[None], torch.from_numpy(labels).to(device)[None], previous)


def mask_tensor(prompts: Prompts, image_size: int, device: torch.device) -> Float[Tensor, "1 1 s s"]:
    """Resize a mask prompt to the model's square frame, 0 or 1."""
    assert prompts.mask is not None
    return mask_to_model(torch.from_numpy(prompts.mask).to(device)[None, None], image_size)


def mask_logits(mask: Bool[np.ndarray, "h w"], image_size: int, device: torch.device) -> Float[Tensor, "1 1 s s"]:
    """Convert a binary mask to the logits of memory encoding, at a quarter of the model's square frame."""
    inside = mask_to_model(torch.from_numpy(mask).to(device)[None, None], image_size)
    return resize_to_square(inside * MEMORY_SCALE + MEMORY_BIAS, image_size // 4)
