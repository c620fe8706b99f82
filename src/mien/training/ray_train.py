"""Runs on Ray Train: the same recipe on workers of a cluster, which share every batch as torchrun's processes do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien import parallel
from mien.errors import MienError
from mien.training import run
from mien.training.job import Inputs
from mien.training.recipe import Recipe, parse
from mien.training.run import Outcome


def train(
    recipe: Recipe, inputs: Inputs, out: Path, *, on: str = "ray", workers: int = 2, resume: bool = False
) -> Outcome:
    """Run a recipe on Ray Train; see `run.train`, whose files it leaves.

    Table and folder must be reachable under the same paths by every worker.

    Args:
        recipe: the typed recipe; with the accelerator 'gpu' each worker takes one GPU.
        inputs: table and limits.
        out: folder of the run.
        on: 'ray' (the cluster of `RAY_ADDRESS`, or workers on this machine) or 'ray://HOST:PORT'.
        workers: processes that share a batch.
        resume: go on from ``out/last.ckpt``.

    Raises:
        MissingExtraError: Ray is not installed.
        MienError: the run had to stop; the message is that of the worker.
    """
    ray, own = parallel.connect(on, workers + 1)  # the driver of a Ray run takes a processor too
    try:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        gpu = recipe.run.accelerator == "gpu"
        trainer = TorchTrainer(
            _loop,
            train_loop_config={
                "recipe": recipe.model_dump(mode="json"),
                "inputs": inputs.anywhere(),
                "out": out.resolve(),
                "resume": resume,
            },
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            run_config=RunConfig(name=recipe.name, storage_path=str(out.resolve() / "ray")),
        )
        try:
            trainer.fit()
        except Exception as error:
            raise _told(error) from error
    finally:
        if own:
            ray.shutdown()
    return run.outcome(out)


def _loop(config: dict[str, Any]) -> None:
    """Run in each worker."""
    run.train(parse(config["recipe"]), config["inputs"], config["out"], resume=config["resume"], ray=True)


def _told(error: BaseException) -> BaseException:
    """Find the sentence of this project in what Ray wraps around a worker's error."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        one = queue.pop()
        if isinstance(one, MienError):
            return one
        if id(one) in seen:
            continue
        seen.add(id(one))
        inner = [one.__cause__, getattr(one, "cause", None), *getattr(one, "worker_failures", {}).values()]
        queue += [part for part in inner if isinstance(part, BaseException)]
    return error
