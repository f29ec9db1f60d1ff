"""Recipes: functions that return the settings of a run; their docstrings give command, data, cost and results."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from masklet.errors import FormatError
from masklet.model.config import NANO, TEST_TINY, released
from masklet.train.config import (
    AugmentConfig,
    DataConfig,
    LossConfig,
    OptimConfig,
    PromptConfig,
    RunConfig,
    TrainConfig,
)

FLIP_ONLY = AugmentConfig(degrees=0, shear=0, zoom=(1.0, 1.0), color=(0, 0, 0), frame_color=(0, 0, 0), gray=0)
"""Whole images, maybe flipped."""

AFFINE = AugmentConfig(zoom=(1.0, 1.0))
"""Whole frames: flip, rotation, shear and color jitter."""


def pretrain_images() -> TrainConfig:
    """Pre-train on the images of SA-1B: stage one of the paper (appendix D.2), for base-plus.

    `torchrun --nproc-per-node 8 --no-python masklet train pretrain_images --data SA1B --out DIR`; initialize from
    weights with `--init`, else the weights are random. A step is one image for each process and accumulation: with 8
    GPUs, `--set optim.accumulate=32` gives the batch size 256 of the paper. The paper: 90,000 steps, 1024 pixels, A100
    GPUs; 1-click mIoU 58.9 and 5-click 81.7 on SA-23. Layer decay is .8 for tiny and small, .925 for large. The drop
    path of the paper is not implemented.
    """
    return TrainConfig(
        name="pretrain_images",
        model=released("base-plus", "2.1"),
        prompts=PromptConfig(corrections=(7, 7)),
        loss=LossConfig(presence=0.0),
        augment=FLIP_ONLY,
        data=DataConfig(image_share=1.0),
        optim=OptimConfig(
            steps=90_000, lr=4e-4, trunk_lr=4e-4, warmup=1000, schedule="rsqrt", cooldown=5000, checkpointing=True
        ),
        run=RunConfig(workers=8, save_every=1000),
    )


def full() -> TrainConfig:
    """Train on images and videos together: stage two of the paper (appendix D.2), from weights of `pretrain_images`.

    `torchrun ... --no-python masklet train full --data SA1B --data SAV --init weights.safetensors --out DIR`. A step is
    one image or one clip of 8 frames for each process and accumulation; 15 % of the batches are images. The paper:
    300,000 steps of 256, 108 hours on 256 A100; J&F of base-plus 75.3 on SA-V val, 72.8 on MOSE val, 88.9 on
    DAVIS 2017 val. Layer decay is .8 for tiny and small, .925 for large. The drop path of the paper is not implemented.
    """
    return TrainConfig(
        name="full",
        model=released("base-plus", "2.1"),
        augment=AFFINE,
        data=DataConfig(image_share=0.152),
        optim=OptimConfig(steps=300_000, lr=3e-4, trunk_lr=6e-5, warmup=15_000, checkpointing=True),
        run=RunConfig(workers=8, save_every=1000),
    )


def finetune_vos() -> TrainConfig:
    """Fine-tune a released model on your own videos, with the settings published for MOSE.

    `masklet train finetune_vos --data VIDEOS --init sam2.1_hiera_base_plus.pt --out DIR`, with any of the released
    weights. 7,500 steps on 8 GPUs are 40 epochs of the 1,507 videos of MOSE: set `optim.steps` to 40 x videos /
    processes. Published for base-plus on 8 A100 of 80 GB: J&F 79.4 on MOSE val. For less memory: fewer
    `data.frames` or `data.clip_masks`, a smaller `data.image_size`, `optim.freeze=image_encoder`, `optim.lora=8`.
    """
    return TrainConfig(
        name="finetune_vos",
        model=released("base-plus", "2.1"),
        augment=AFFINE,
        optim=OptimConfig(steps=7500, lr=5e-6, trunk_lr=3e-6, checkpointing=True),
        run=RunConfig(workers=4, save_every=250),
    )


def nano() -> TrainConfig:
    """Train the embedded model: many objects of many small images, with the first stages of the trunk frozen.

    `masklet train nano --data sa-1b=STILLS@train --data davis2016=VIDEOS@all --init nano --out DIR`. Cut-outs of 256
    pixels show objects at the size that they have in whole images at 384 pixels, the best input size of the model. The
    learning rate is constant until the linear cooldown, so that a run can be continued from its EMA while it still
    improves. On one CPU core a step takes 1.6 s and the run 90 minutes; docs/model-card.md has the results.
    """
    return TrainConfig(
        name="nano",
        model=NANO,
        prompts=PromptConfig(
            video=(0.4, 0.35, 0.25),
            image=(0.0, 0.75, 0.25),
            corrections=(1, 4),
            centered_clicks=0.5,
            corrected_frames=1,
        ),
        loss=LossConfig(mask=1.0, dice=2.0, focal="normalized", every_first=True, stride=4),
        augment=AugmentConfig(
            degrees=12, shear=6, zoom=(0.45, 1.0), color=(0.25, 0.25, 0.25), frame_color=(0.06, 0.06, 0.06)
        ),
        data=DataConfig(
            image_size=256,
            image_batch=8,
            image_masks=6,
            clip_batch=3,
            clip_masks=3,
            frames=4,
            strides=(1, 8),
            synthetic=0.65,
            image_share=0.6,
        ),
        optim=OptimConfig(
            steps=3200,
            lr=8e-4,
            trunk_lr=2e-4,
            betas=(0.9, 0.99),
            weight_decay=0.02,
            layer_decay=1.0,
            warmup=50,
            schedule="constant",
            cooldown=1250,
            clip=1.0,
            ema=0.998,
            autocast=False,
            freeze=(
                "image_encoder.trunk.conv_stem",
                "image_encoder.trunk.bn1",
                "image_encoder.trunk.blocks.0",
                "image_encoder.trunk.blocks.1",
            ),
        ),
        run=RunConfig(workers=1, save_every=200, keep=2),
    )


def test_tiny() -> TrainConfig:
    """Overfit a very small model to one short video: a test of the installation that takes half a minute on a laptop.

    `masklet train test_tiny --data PATH --out DIR`; expect J&F above 95 on a clip of one simple object.
    """
    return TrainConfig(
        name="test_tiny",
        model=TEST_TINY,
        prompts=PromptConfig(image=(0.0, 0.75, 0.25), corrections=(1, 2), centered_clicks=0.5),
        loss=LossConfig(mask=1.0, dice=2.0, focal="normalized", stride=1),
        augment=AugmentConfig(
            flip=0, degrees=0, shear=0, zoom=(1.0, 1.0), color=(0, 0, 0), frame_color=(0, 0, 0), gray=0
        ),
        data=DataConfig(image_size=64, image_batch=2, image_masks=2, frames=4, image_share=0.0),
        optim=OptimConfig(
            steps=200, lr=3e-3, trunk_lr=3e-3, weight_decay=0.0, layer_decay=1.0, warmup=10, clip=1.0, autocast=False
        ),
        run=RunConfig(workers=0, save_every=100, picture_every=0),
    )


test_tiny.__test__ = False  # type: ignore[attr-defined] # pytest would collect it


RECIPES: Mapping[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe for recipe in (finetune_vos, full, pretrain_images, nano, test_tiny)
}
"""Recipes by name."""


def recipe_named(name: str) -> TrainConfig:
    """Return the settings of a recipe.

    Raises:
        FormatError: no such recipe; the closest name is suggested.
    """
    known = name.replace("-", "_")
    if known not in RECIPES:
        near = difflib.get_close_matches(known, RECIPES, 1)
        raise FormatError(f"no recipe {name!r}; {f'did you mean {near[0]}?' if near else ', '.join(RECIPES)}")
    return RECIPES[known]()
