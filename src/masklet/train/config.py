"""Settings of a training run: frozen sections that a recipe fills in and `--set section.field=value` changes.

The bounds of a number are part of its type; `masklet.train.overrides` checks them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from masklet.model.config import ModelConfig

Share = Annotated[float, Meta(ge=0, le=1)]
"""A share or a probability."""

Shares = tuple[Share, Share, Share]
Weight = Annotated[float, Meta(ge=0, le=1000)]
LearningRate = Annotated[float, Meta(ge=0, le=10)]
Decay = Annotated[float, Meta(ge=0, le=0.999999)]
Count = Annotated[int, Meta(ge=1, le=10**9)]
CountOrZero = Annotated[int, Meta(ge=0, le=10**9)]
ClipFrames = Annotated[int, Meta(ge=1, le=256)]
Clicks = Annotated[int, Meta(ge=0, le=100)]
Stride = Annotated[int, Meta(ge=1, le=1000)]
Zoom = Annotated[float, Meta(ge=0.05, le=1)]
Name = Annotated[str, Meta(pattern=r"\A[ -~]{1,128}\Z")]
"""A name of at most 128 printable ASCII characters."""


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """Simulated prompts (paper appendix D.1).

    Attributes:
        video: probabilities of a mask, a click and a box as the first prompt of an object in a video.
        image: the same for an object in an image.
        prompted_frames: maximum number of frames of a clip with a first prompt; the first frame always has one.
        corrected_frames: maximum number of frames with corrective clicks; objects with a mask prompt get none.
        corrections: minimum and maximum number of corrective clicks on such a frame.
        truth_clicks: share of corrective clicks drawn from the true mask instead of the error.
        centered_clicks: share of clicks at the center of their region; the others fall anywhere in it.
        box_noise: standard deviation of the sides of a box as a share of its size, at most 20 pixels.
    """

    video: Shares = (0.5, 0.25, 0.25)
    image: Shares = (0.0, 0.5, 0.5)
    prompted_frames: ClipFrames = 2
    corrected_frames: ClipFrames = 2
    corrections: tuple[Clicks, Clicks] = (1, 7)
    truth_clicks: Share = 0.1
    centered_clicks: Share = 0.0
    box_noise: Share = 0.1


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the loss terms (paper appendix D.2) and how masks are compared.

    Attributes:
        mask, dice, iou, presence: weights.
        focal: "plain" as in the paper (alpha .25, gamma 2), or "normalized": pixel weights normalized for each mask, so
            that easy masks count as much as hard ones; learns faster in short runs.
        every_first: also supervise candidate 0 of ambiguous predictions, which else train candidates 1 to 3 only.
        stride: side in pixels of the cells in which masks are compared: 1 as in the paper, 4 is cheapest.
        chunk: number of masks compared at once, which bounds memory.
    """

    mask: Weight = 20.0
    dice: Weight = 1.0
    iou: Weight = 1.0
    presence: Weight = 1.0
    focal: Literal["plain", "normalized"] = "plain"
    every_first: bool = False
    stride: Literal[1, 2, 4] = 1
    chunk: Annotated[int, Meta(ge=1, le=65536)] = 32


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation: one draw for a clip, and a smaller color jitter for each frame.

    Attributes:
        flip: probability of a horizontal flip.
        degrees, shear: maximum rotation and shear in degrees, in both directions.
        zoom: minimum and maximum side of the cut-out as a share of the image.
        color: maximum change of brightness, contrast and saturation of a clip, as a share.
        frame_color: the same for each frame of a video.
        gray: probability of a gray clip.
    """

    flip: Share = 0.5
    degrees: Annotated[float, Meta(ge=0, le=180)] = 25.0
    shear: Annotated[float, Meta(ge=0, le=60)] = 20.0
    zoom: tuple[Zoom, Zoom] = (0.5, 1.0)
    color: Shares = (0.1, 0.03, 0.03)
    frame_color: Shares = (0.1, 0.05, 0.05)
    gray: Share = 0.05


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Batches and clips.

    Attributes:
        image_size: side of the model's square input in pixels.
        image_batch, clip_batch: images and clips in a batch.
        image_masks, clip_masks: maximum number of objects of an image and of a clip.
        frames: frames of a clip.
        strides: minimum and maximum distance between neighboring frames of a clip.
        reverse: probability that a clip is reversed.
        min_area: objects with fewer pixels in the model's input are left out.
        max_share: objects that cover a larger share of the image are left out.
        synthetic: clips made from images, as a share of all clips.
        image_share: batches of images, as a share of all; None: in proportion to the numbers of images and videos.
    """

    image_size: Annotated[int, Meta(ge=32, le=4096, multiple_of=32)] = 1024
    image_batch: Annotated[int, Meta(ge=1, le=4096)] = 1
    clip_batch: Annotated[int, Meta(ge=1, le=4096)] = 1
    image_masks: Annotated[int, Meta(ge=1, le=1024)] = 64
    clip_masks: Annotated[int, Meta(ge=1, le=256)] = 3
    frames: ClipFrames = 8
    strides: tuple[Stride, Stride] = (1, 1)
    reverse: Share = 0.5
    min_area: Count = 16
    max_share: Share = 0.9
    synthetic: Share = 0.0
    image_share: Share | None = None


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimization (paper appendix D.2).

    Attributes:
        steps: optimizer steps of the whole run.
        accumulate: batches per step and process.
        lr, trunk_lr: peak learning rate, and that of the trunk.
        betas, weight_decay: parameters of AdamW; biases, norms and embeddings are not decayed.
        layer_decay: factor on the learning rate from one trunk layer to the one before it.
        warmup: steps of linear warm-up.
        schedule: learning rate after it: "cosine" to zero, "rsqrt" (reciprocal square root), "constant".
        cooldown: steps at the end of "rsqrt" and "constant" in which the learning rate falls linearly to zero.
        clip: maximum gradient norm.
        ema: decay of the EMA of the weights that is validated and saved; 0 for none.
        freeze: prefixes of the names of weights that are not trained.
        lora: rank of low-rank updates of the trunk's linear layers, whose own weights are frozen; 0 for none.
        autocast: compute in bfloat16 where it is safe.
        checkpointing: recompute activations in the backward pass: less memory, more time.
        compile: compile the heavy parts of the model.
    """

    steps: Count = 1000
    accumulate: Annotated[int, Meta(ge=1, le=65536)] = 1
    lr: LearningRate = 5e-6
    trunk_lr: LearningRate = 3e-6
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: Annotated[float, Meta(ge=0, le=10)] = 0.1
    layer_decay: Annotated[float, Meta(ge=0.01, le=1)] = 0.9
    warmup: CountOrZero = 0
    schedule: Literal["cosine", "rsqrt", "constant"] = "cosine"
    cooldown: CountOrZero = 0
    clip: Annotated[float, Meta(ge=1e-6, le=1e6)] = 0.1
    ema: Decay = 0.0
    freeze: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    lora: Annotated[int, Meta(ge=0, le=1024)] = 0
    autocast: bool = True
    checkpointing: bool = False
    compile: bool = False


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Checkpoints, logs and processes.

    Attributes:
        seed: seed of all random numbers.
        workers: data loading processes per training process; 0 for none.
        save_every: steps between checkpoints.
        keep: number of newest checkpoints to keep.
        validate_every: steps between validations; 0 for none.
        picture_every: steps between previews of a clip with predictions; 0 for none.
        log_every: steps between lines of the loss table.
    """

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    workers: Annotated[int, Meta(ge=0, le=256)] = 2
    save_every: Count = 500
    keep: Annotated[int, Meta(ge=1, le=1000)] = 2
    validate_every: CountOrZero = 0
    picture_every: CountOrZero = 500
    log_every: Count = 10


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of a run. ``model`` is the model to build if no weights are given to start from."""

    name: Name
    model: ModelConfig
    prompts: PromptConfig = field(default_factory=PromptConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
