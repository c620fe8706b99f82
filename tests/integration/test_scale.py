"""The same work on a Ray cluster of two nodes as in one process, also when a node is lost in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.curation import crop
from mien.curation.shards import Engine
from mien.curation.table import Table, write_table
from mien.errors import DataError, MienError
from mien.imaging import image
from mien.parallel import map_batches, salvage
from mien.recognition import bulk

pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and subprocess handles to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two raylets on this machine with one processor each; the test process is connected to them."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # not behind everything else that runs here
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port}
        made = Cluster(initialize_head=True, head_node_args=head)
        try:
            made.add_node(num_cpus=1)
            ray.init(address=made.address, log_to_driver=False, configure_logging=False)
            made.clients = f"ray://127.0.0.1:{port}"
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Table:
    """A table of twelve photos; one is damaged."""
    root = tmp_path_factory.mktemp("photos")
    pixels = image.read(photo)
    for number in range(12):
        image.write(np.ascontiguousarray(pixels[:, : 400 + 8 * number]), root / f"{number:02d}.jpg")
    (root / "05.jpg").write_bytes(b"no picture")
    return write_table(root / "table.parquet", [{"image": f"{n:02d}.jpg", "source": "made"} for n in range(12)])


def node_of(items: Sequence[float]) -> str:
    import ray

    time.sleep(items[0])
    node: str = ray.get_runtime_context().get_node_id()
    return node


def die_on_three(items: Sequence[int]) -> list[int]:
    if 3 in items:
        os.kill(os.getpid(), signal.SIGKILL)
    return [10 * item for item in items]


def refuse(items: Sequence[int]) -> None:
    raise DataError(f"no place for {list(items)}")


def test_work_is_spread_over_both_nodes(cluster: Any) -> None:
    for _ in range(5):  # the second node may still be starting its worker
        nodes = set(map_batches(node_of, [0.3] * 8, on="ray"))
        if len(nodes) == 2:
            return
    pytest.fail(f"only {nodes} worked")


def test_cropping_gives_the_very_same_table_and_pictures(cluster: Any, photos: Table, tmp_path: Path) -> None:
    spec = crop.Spec(size=48)
    here = crop.crop(photos, spec, tmp_path / "here", engine=Engine(workers=1, batch=3))
    there = crop.crop(photos, spec, tmp_path / "there", engine=Engine("ray", 2, 3))
    assert here.failures == there.failures
    assert here.failures[0].startswith("05.jpg: not a picture")
    assert _files(tmp_path / "here") == _files(tmp_path / "there")


def test_a_program_outside_the_cluster_gets_the_same_through_its_client_port(
    cluster: Any, photos: Table, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "mien.cli.main"]
    crop_, read = ["data", "crop", str(photos.root), "--size", "48"], ["predict", str(photos.path), "--crops"]
    environment = {**os.environ, "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "300", "PYTHONWARNINGS": "ignore"}
    for where, on in (("here", []), ("there", ["--on", cluster.clients])):
        for arguments in ([*crop_, "-o", str(tmp_path / where)], [*read, "--csv", str(tmp_path / f"{where}.csv")]):
            done = subprocess.run(
                [*command, *arguments, *on], env=environment, capture_output=True, text=True, check=False, timeout=400
            )
            assert done.returncode == 1, done.stderr  # one photo is damaged
            assert "Traceback" not in done.stderr
    assert _files(tmp_path / "here") == _files(tmp_path / "there")
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()


def test_a_node_that_is_killed_in_the_middle_loses_nothing(cluster: Any, photos: Table, tmp_path: Path) -> None:
    pictures = [bulk.Picture(row["image"], str(photos.root / row["image"])) for row in photos.rows(["image"])] * 4
    reading = bulk.Reading()
    list(bulk.into_shards(pictures, reading, tmp_path / "here", size=3, workers=1))
    second = cluster.add_node(num_cpus=1)
    shards = bulk.into_shards(pictures, reading, tmp_path / "there", size=3, on="ray")
    first = next(shards)
    killer = threading.Thread(target=cluster.remove_node, args=(second,), kwargs={"allow_graceful": False})
    killer.start()
    rest = list(shards)
    killer.join()
    assert first.pictures + sum(shard.pictures for shard in rest) == len(pictures)
    assert _files(tmp_path / "here") == _files(tmp_path / "there")
    assert len(_lines(tmp_path / "there" / bulk.QUARANTINE)) == 4


def test_an_item_that_kills_its_worker_is_set_aside_and_the_others_are_done(cluster: Any) -> None:
    def crashed(items: Sequence[int], reason: str) -> list[int]:
        return salvage(die_on_three, items, reason, lambda item, why: [-item], on="ray")

    found = map_batches(die_on_three, range(6), size=2, on="ray", crashed=crashed)
    assert [value for part in found for value in part] == [0, 10, 20, -3, 40, 50]


def test_a_batch_that_kills_its_worker_is_an_error_where_nobody_takes_it_apart(cluster: Any) -> None:
    with pytest.raises(MienError, match="a batch of 1 cannot be worked on: its worker died 4 times"):
        list(map_batches(die_on_three, [3], on="ray"))


def test_a_failure_in_a_worker_reaches_the_caller_as_what_it_was(cluster: Any) -> None:
    with pytest.raises(DataError, match=r"^no place for \[1\]$"):
        list(map_batches(refuse, [1], on="ray"))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
