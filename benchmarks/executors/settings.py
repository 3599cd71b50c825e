"""Settings of an execution: the executor, and how it divides the work."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sgz_bench.core.registry import suggest

EXECUTORS = ("local", "ray")
_OF_RAY = ("address", "workers", "gpus_per_worker", "shard", "ship")


class Execution(BaseModel):
    """How studies are executed; nothing here changes a result, except for its last digits the number of threads.

    Attributes:
        executor: ``local``: this process; ``ray``: processes on this machine or on a Ray cluster.
        address: ``auto`` or ``HOST:PORT`` of a Ray cluster; None for a Ray of its own on this machine.
        workers: number of worker processes; None for as many as the cluster has room for.
        gpus_per_worker: GPUs of one worker, or the fraction of one; None for 1 where there are GPUs.
        shard: largest number of images that a worker takes at a time; None for 16 or a few batches.
        ship: send the files of the data set and of the models to the workers, where they share no disk.
        threads: CPU threads of each worker, or of this process; None for PyTorch's default, and on Ray for an equal
            share of the cluster's CPUs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    executor: str = "local"
    address: str | None = None
    workers: int | None = Field(None, ge=1)
    gpus_per_worker: float | None = Field(None, ge=0, allow_inf_nan=False)
    shard: int | None = Field(None, ge=1)
    ship: bool = False
    threads: int | None = Field(None, ge=1)

    @field_validator("executor")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in EXECUTORS:
            raise ValueError(f"unknown executor {name!r}{suggest(name, list(EXECUTORS))}")
        return name

    @field_validator("gpus_per_worker")
    @classmethod
    def _whole_above_one(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError(f"{gpus:g} is no fraction of a GPU; above 1, Ray takes whole GPUs only")
        return gpus

    @model_validator(mode="after")
    def _only_ray_has(self) -> Execution:
        unused = [name for name in _OF_RAY if getattr(self, name) not in (None, False)]
        if self.executor == "local" and unused:
            raise ValueError(
                f"{unused[0]} applies to the executor ray alone; give --executor ray (executor: ray in a suite)"
            )
        return self
