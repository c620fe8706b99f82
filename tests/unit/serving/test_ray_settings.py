from __future__ import annotations

import warnings

import pytest

from mien.errors import MienError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray, about itself
    pytest.importorskip("ray.serve")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"min_replicas": 3, "max_replicas": 2}, "min_replicas 3 is above max_replicas 2"),
        ({"max_replicas": 0}, "'max_replicas'"),
        ({"modle": "expression"}, "'modle'"),
    ],
)
def test_settings_of_ray_serve_that_do_not_fit_are_named(arguments: dict[str, object], words: str) -> None:
    from mien.serving.ray_app import build

    with pytest.raises(MienError, match=words):
        build(arguments)
