"""What a training run is made of: frozen sections that a recipe fills in and `--set section.field=value` changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from masklet.model.config import ModelConfig

Shares = tuple[float, float, float]
"""Probabilities of a mask, a click and a box as the first prompt."""


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """How people are simulated (paper appendix D.1).

    Attributes:
        video: first prompt of an object in a video.
        image: first prompt of an object in a picture.
        prompted_frames: frames of a clip that get a first prompt, at most; the first frame always does.
        corrected_frames: frames of a clip that get corrective clicks, at most; not for objects given as a mask.
        corrections: least and most corrective clicks on such a frame.
        truth_clicks: share of corrective clicks drawn from the true mask instead of the error.
        centered_clicks: share of clicks in the middle of their region; the others fall anywhere in it.
        box_noise: standard deviation of a box's sides as a share of its size, at most 20 pixels.
    """

    video: Shares = (0.5, 0.25, 0.25)
    image: Shares = (0.0, 0.5, 0.5)
    prompted_frames: int = 2
    corrected_frames: int = 2
    corrections: tuple[int, int] = (1, 7)
    truth_clicks: float = 0.1
    centered_clicks: float = 0.0
    box_noise: float = 0.1


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the terms (paper appendix D.2) and how masks are compared.

    Attributes:
        mask, dice, iou, presence: weights.
        focal: "plain" as in the paper (alpha .25, gamma 2), or "normalized": weights rescaled so that every mask counts
            the same however easy it became; learns faster from few steps.
        every_first: candidate 0 is compared in ambiguous answers, too, which else only train candidates 1 to 3.
        stride: pixels of the model's frame per cell in which masks are compared: 1 as in the paper, 4 is cheapest.
        chunk: masks compared at once; memory does not grow with the others.
    """

    mask: float = 20.0
    dice: float = 1.0
    iou: float = 1.0
    presence: float = 1.0
    focal: Literal["plain", "normalized"] = "plain"
    every_first: bool = False
    stride: Literal[1, 2, 4] = 1
    chunk: int = 32


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """One draw for a clip, and a little more for each frame.

    Attributes:
        flip: probability of a horizontal flip.
        degrees, shear: greatest rotation and shear, in degrees either way.
        zoom: least and greatest side of the cut-out as a share of the picture.
        color: brightness, contrast and saturation jitter of a clip, as a share either way.
        frame_color: the same for each frame of a video by itself.
        gray: probability of a gray clip.
    """

    flip: float = 0.5
    degrees: float = 25.0
    shear: float = 20.0
    zoom: tuple[float, float] = (0.5, 1.0)
    color: Shares = (0.1, 0.03, 0.03)
    frame_color: Shares = (0.1, 0.05, 0.05)
    gray: float = 0.05


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How batches are cut out of data sets.

    Attributes:
        image_size: side of the model's square frame in pixels.
        image_batch, clip_batch: pictures and clips in a batch.
        image_masks, clip_masks: objects of a picture and of a clip at most.
        frames: frames of a clip.
        strides: least and greatest distance between a clip's neighboring frames.
        reverse: probability that a clip runs backward.
        min_area: objects with fewer pixels in the model's frame are left out.
        max_share: objects that cover more of the picture are left out.
        synthetic: clips made from stills, as a share of all clips.
        image_share: pictures as a share of all batches; None for "as many as there are, against videos".
    """

    image_size: int = 1024
    image_batch: int = 1
    clip_batch: int = 1
    image_masks: int = 64
    clip_masks: int = 3
    frames: int = 8
    strides: tuple[int, int] = (1, 1)
    reverse: float = 0.5
    min_area: int = 16
    max_share: float = 0.9
    synthetic: float = 0.0
    image_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """How weights are moved (paper appendix D.2).

    Attributes:
        steps: optimizer steps of the whole run.
        accumulate: batches per step and process.
        lr, trunk_lr: peak rates of everything and of the trunk.
        betas, weight_decay: of AdamW; biases, norms and single codes are not decayed.
        layer_decay: factor on the rate from one trunk layer to the one before it.
        warmup: steps of linear warm-up.
        schedule: what follows: "cosine" to zero, "rsqrt" (reciprocal square root), "constant".
        cooldown: steps at the end of "rsqrt" and "constant" in which the rate also falls linearly to zero.
        clip: greatest gradient norm.
        ema: decay of the moving average of the weights that is validated and shipped; 0 for none.
        freeze: beginnings of the names of weights that stay as they are.
        lora: rank of low-rank updates of the trunk's linear layers, which then stay frozen otherwise; 0 for none.
        autocast: bf16 where it is safe.
        checkpointing: recompute the image encoder in the backward pass: less memory, more time.
        compile: compile the heavy parts.
    """

    steps: int = 1000
    accumulate: int = 1
    lr: float = 5e-6
    trunk_lr: float = 3e-6
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.1
    layer_decay: float = 0.9
    warmup: int = 0
    schedule: Literal["cosine", "rsqrt", "constant"] = "cosine"
    cooldown: int = 0
    clip: float = 0.1
    ema: float = 0.0
    freeze: tuple[str, ...] = ()
    lora: int = 0
    autocast: bool = True
    checkpointing: bool = False
    compile: bool = False


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How the run is kept.

    Attributes:
        seed: of everything that is drawn.
        workers: processes that read and augment, per training process; 0 for none.
        save_every: steps between checkpoints.
        keep: checkpoints kept, the newest ones.
        validate_every: steps between validations; 0 for none.
        picture_every: steps between pictures of what the model sees and says; 0 for none.
        log_every: steps between lines of the loss table.
    """

    seed: int = 0
    workers: int = 2
    save_every: int = 500
    keep: int = 2
    validate_every: int = 0
    picture_every: int = 500
    log_every: int = 10


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run. ``model`` is what is built when no weights are given to start from."""

    name: str
    model: ModelConfig
    prompts: PromptConfig = field(default_factory=PromptConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
