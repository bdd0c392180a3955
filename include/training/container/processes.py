"""The processes of a training: which one this is, what it computes on, and what they agree on."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from include.training.container.errors import DeviceUnsuitableError

KIB = 1024
"""The unit of ru_maxrss on Linux."""


@dataclass(frozen=True)
class Processes:
    """This process among all; ``world`` is 1 without torchrun."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints losses."""
        return self.rank == 0

    def peak_memory(self) -> int:
        """Return the most bytes that this process has held at once: on its GPU, or in memory without one."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB

    def total(self, *values: float) -> list[float]:
        """Return the sum of each value over all processes."""
        sums = torch.tensor(values, dtype=torch.float64)
        if self.world > 1:
            dist.all_reduce(sums)  # on the CPU, over gloo: no GPU waits for it
        return [float(value) for value in sums]

    def any(self, *flags: bool) -> list[bool]:
        """Return whether any process has set each flag."""
        return [value > 0 for value in self.total(*map(float, flags))]

    def from_first(self, value: Any) -> Any:
        """Return the first process's value in every process."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the processes that torchrun started, and leave them at the end.

    Raises:
        DeviceUnsuitableError: the GPU cannot compute in bfloat16.
    """
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise DeviceUnsuitableError(torch.cuda.get_device_name(device))
    else:
        torch.use_deterministic_algorithms(True)
    if "RANK" not in os.environ:
        yield Processes(0, 1, device)
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    yield Processes(dist.get_rank(), dist.get_world_size(), device)
    dist.destroy_process_group()  # not after an error: it waits for processes that may wait for this one
