"""Distributed training under `torchrun`: process group and gradient averaging; a single process without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """Place of this process among the ``size`` processes of a run."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and calls callbacks."""
        return self.rank == 0


@contextmanager
def init_distributed() -> Iterator[World]:
    """Join the process group of `torchrun` for the duration of the block; without torchrun a world of one process.

    The device is the CUDA device of the local rank if CUDA is available, else the CPU.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local) if cuda else CPU
    if "WORLD_SIZE" not in os.environ:
        yield World(device=device)
        return
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def average_gradients(model: nn.Module, world: World) -> None:
    """Replace every gradient by its mean over all processes; a missing gradient counts as zero.

    One all-reduce at the end of a step instead of hooks during the backward pass: which weights a batch uses differs
    between batches and processes (no clicks, no memories), and the result must not depend on it.
    """
    if world.size == 1:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    used = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=trained[0].device)
    dist.all_reduce(used, dist.ReduceOp.MAX)
    reduced = [p for p, used_anywhere in zip(trained, used.tolist(), strict=True) if used_anywhere]
    for p in reduced:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    flat = torch.cat([p.grad.flatten() for p in reduced if p.grad is not None])
    dist.all_reduce(flat)
    flat /= world.size
    for p, part in zip(reduced, flat.split([p.numel() for p in reduced]), strict=True):
        assert p.grad is not None
        p.grad.copy_(part.view_as(p))


def barrier(world: World) -> None:
    """Wait until all processes arrive."""
    if world.size > 1:
        dist.barrier()
