"""One process or many from the same command: who we are under `torchrun`, and gradients averaged over all of us."""

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
    """One process among ``size``."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this process writes and tells."""
        return self.rank == 0


@contextmanager
def joined() -> Iterator[World]:
    """The processes that `torchrun` started, or this one alone; CUDA where there is one for each, else CPU."""
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
    """Make every gradient the mean over all processes; one who did not need a weight counts as zero.

    One sum at the end of a step rather than hooks during it: which weights a batch needs differs from batch to batch
    and from process to process (no clicks, no memories), and this way the result does not depend on it.
    """
    if world.size == 1:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    used = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=trained[0].device)
    dist.all_reduce(used, dist.ReduceOp.MAX)
    wanted = [p for p, by_anyone in zip(trained, used.tolist(), strict=True) if by_anyone]
    for p in wanted:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    flat = torch.cat([p.grad.flatten() for p in wanted if p.grad is not None])
    dist.all_reduce(flat)
    flat /= world.size
    for p, part in zip(wanted, flat.split([p.numel() for p in wanted]), strict=True):
        assert p.grad is not None
        p.grad.copy_(part.view_as(p))


def wait_for_all(world: World) -> None:
    """Go on once everybody is here."""
    if world.size > 1:
        dist.barrier()
