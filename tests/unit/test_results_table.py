from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@pytest.mark.parametrize("script", ["table.py", "judging.py", "billion.py", "engine.py", "motion.py", "steps.py"])
def test_published_tables_are_those_of_the_json_files(script: str) -> None:
    done = subprocess.run([sys.executable, RESULTS / script, "--check"], check=False)
    assert done.returncode == 0, f"run: python docs/results/{script}"
