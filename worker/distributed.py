"""The processes that share a training: how many there are, which of them this is, and what they say to each other.

A training of one process is rank 0 of 1. Whoever starts several (ranks.py with torchrun, or Ray Train) sets RANK,
WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT in each of them and then makes the same call in
each, train.train(job, emit), with the same job; join() sets up the process group unless the starter has done that.

- Every process reads the rows and the base model; each finds the checkpoints of job["output"] under that path.
- The batches of an optimizer step are dealt to the ranks in turn. gradient_accumulation counts those of all together.
- Rank 0 alone emits events, writes files and returns the result of train(). The others return {}.
- What goes wrong is raised where it goes wrong. The others wait for that one, until the starter ends them.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as group


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this is the process that speaks and writes for all."""
    return rank() == 0


def gpu() -> int:
    """The number of this process's GPU, among those that it sees: a cluster may show each process its own alone."""
    return int(os.environ.get("LOCAL_RANK", "0")) % max(torch.cuda.device_count(), 1)


def join(device: str) -> None:
    """Meets the other processes, where there are any and that is still to be done."""
    if size() > 1 and not group.is_initialized():
        group.init_process_group("nccl" if device == "cuda" else "gloo")


def total(values: list[float], device: str) -> list[float]:
    """The sums over all processes, added up in the order of the ranks: the same everywhere, to the last bit."""
    if size() == 1:
        return values
    own = torch.tensor(values, dtype=torch.float64, device=place(device))
    every = [torch.empty_like(own) for _ in range(size())]
    group.all_gather(every, own)
    return torch.stack(every).cumsum(0)[-1].tolist()


def told(value: Any, device: str) -> Any:
    """What rank 0 says; the others' values do not count."""
    if size() == 1:
        return value
    said = [value]
    group.broadcast_object_list(said, 0, device=place(device))
    return said[0]


def place(device: str) -> torch.device:
    return torch.device("cuda", gpu()) if device == "cuda" else torch.device("cpu")


def share_gradients_alone(model: Any) -> None:
    """Keeps torch's DistributedDataParallel off what is frozen: every process has read it from the same files."""
    frozen = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    model._ddp_params_and_buffers_to_ignore = frozen + [name for name, _ in model.named_buffers()]


def shard(model: Any, device: str) -> None:
    """Lays the frozen weights of the model's layers out over the processes, each layer gathered when it is its turn.

    What is trained stays whole in each, and so do embeddings and head. So the gradients, the optimizer and the
    checkpoints are those of a training without sharding.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device, (size(),))
    whole = model.get_base_model()
    layers = [each for each in whole.modules() if type(each).__name__ in (whole._no_split_modules or ())]
    trained = {weight for weight in model.parameters() if weight.requires_grad}
    for layer in layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    # The model around them lays nothing out itself; it has them fetch the next layer while one computes.
    own = {weight for layer in layers for weight in layer.parameters()}
    fully_shard(whole.base_model, mesh=mesh, ignored_params={w for w in whole.parameters() if w not in own} | trained)


def leave() -> None:
    if group.is_initialized():
        group.destroy_process_group()
