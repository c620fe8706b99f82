"""The notebooks run from start to end, and what is stored in them is small."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from documentation import run_notebooks

NOTEBOOKS = sorted(run_notebooks.NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    done = run_notebooks.run(path, tmp_path)
    printed = [cell for cell in done.cells if cell.cell_type == "code" and cell.outputs]
    assert printed, "a notebook without outputs shows nothing"


def test_notebooks_are_valid_and_their_stored_outputs_small() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"exploration", "training", "active_learning"}
    for path in NOTEBOOKS:
        nbformat.validate(nbformat.read(path, as_version=4))
        assert path.stat().st_size <= run_notebooks.LARGEST, path.name
