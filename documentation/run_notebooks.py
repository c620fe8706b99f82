"""``python -m documentation.run_notebooks`` runs the notebooks in docs/notebooks and stores their outputs in them.

A test runs copies of them; this is for whoever changed one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from documentation.notebooks import NOTEBOOKS, ROOT

#: Bytes that a notebook with its outputs may have.
LARGEST = 200_000
#: The kernel tells programs that they may colour and animate; what is stored are plain lines.
PLAIN = "import os; os.environ.update(TERM='dumb', NO_COLOR='1', COLUMNS='100'); os.environ.pop('FORCE_COLOR', None)"


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a folder and return it with its outputs; a cell that fails raises `CellExecutionError`."""
    notebook = nbformat.read(path, as_version=4)
    (folder / "examples").mkdir(exist_ok=True)
    (folder / "examples" / "astronaut.jpg").write_bytes((ROOT / "examples" / "astronaut.jpg").read_bytes())
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": programs, "OMP_NUM_THREADS": "1"}
    options = {"kernel_name": "python3", "resources": {"metadata": {"path": str(folder)}}}
    arguments = ["--log-level=ERROR", f"--IPKernelApp.exec_lines={PLAIN}"]
    client = NotebookClient(notebook, timeout=600, extra_arguments=arguments, **options)
    done = client.execute(env=environment)
    streams = [out for cell in done.cells for out in cell.get("outputs", []) if out.output_type == "stream"]
    for out in streams:
        out.text = out.text.replace("\r\n", "\n")  # programs believe that they write to a terminal
    printed = "".join(out.text for out in streams)
    wrong = [line for line in printed.splitlines() if line.startswith("mien: ")]  # `!` does not raise by itself
    if wrong:
        raise RuntimeError(f"{path.name}: {wrong[0]}")
    return done


def main() -> None:
    """Run those named on the command line, or all of them, and write them back."""
    for path in map(Path, sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb"))):
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(path, Path(folder))
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        nbformat.write(notebook, path)
        size = path.stat().st_size
        print(f"{path.name}: {size / 1000:.0f} kB")
        if size > LARGEST:
            raise SystemExit(f"{path.name} is larger than {LARGEST / 1000:.0f} kB: show less")


if __name__ == "__main__":
    main()
