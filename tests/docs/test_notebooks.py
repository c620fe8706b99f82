"""The notebooks run from start to end (those that train say themselves that they learnt), and store what they show."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from documentation import run_notebooks

NOTEBOOKS = sorted(run_notebooks.NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    done = run_notebooks.run(path, tmp_path)
    assert _shown(done) == _shown(nbformat.read(path, as_version=4)), "run `make notebooks`: other cells show something"


def test_notebooks_are_valid_and_their_stored_outputs_small() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"exploration", "training", "active_learning"}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert _shown(notebook), f"{path.name} shows nothing; run `make notebooks`"
        assert path.stat().st_size <= run_notebooks.LARGEST, path.name


def _shown(notebook: nbformat.NotebookNode) -> list[int]:
    """Return the numbers of the cells that have outputs."""
    return [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.outputs]
