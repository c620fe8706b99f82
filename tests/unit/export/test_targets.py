import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mien.errors import ModelError, UnknownNameError
from mien.export import targets
from mien.recognition.expression import ExpressionModel
from mien.runtime.session import open_graph


def test_a_web_package_holds_the_graphs_the_manifest_and_an_example(tiny_expression: Path, tmp_path: Path) -> None:
    written = {path.name for path in targets.pack(tiny_expression, "web", tmp_path / "web")}
    assert {"model.onnx", "model.json", "example.js"} <= written
    assert written == {path.name for path in (tmp_path / "web").iterdir()}


@pytest.mark.parametrize("target", ["ort", "mobile"])
def test_the_converted_graph_answers_as_the_model_does(target: str, tiny_expression: Path, tmp_path: Path) -> None:
    targets.pack(tiny_expression, target, tmp_path)
    model = ExpressionModel(tiny_expression)
    crops = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    session = open_graph(tmp_path / "model.ort")
    (found,) = session.run([model.primary], {session.get_inputs()[0].name: crops})
    assert found == pytest.approx(model.predict(crops)[model.primary].values, abs=1e-5)


def test_a_mobile_package_has_examples_that_name_only_what_the_manifest_has(
    tiny_expression: Path, tmp_path: Path
) -> None:
    targets.pack(tiny_expression, "mobile", tmp_path)
    manifest = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert {"primary", "heads", "crop"} <= set(manifest)
    for name in ("Example.kt", "Example.swift"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "model.ort" in text.replace('"model", ofType: "ort"', "model.ort")


@pytest.mark.parametrize(("name", "language"), [("Example.kt", "kotlin"), ("Example.swift", "swift")])
def test_the_mobile_examples_have_the_syntax_of_their_language(
    name: str, language: str, tiny_expression: Path, tmp_path: Path
) -> None:
    tree_sitter = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip(f"tree_sitter_{language}")
    targets.pack(tiny_expression, "mobile", tmp_path)
    text = (tmp_path / name).read_bytes()
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert not parser.parse(text).root_node.has_error
    assert parser.parse(text.replace(b" read(", b" read((", 1)).root_node.has_error, "the parser sees no error at all"


def test_the_web_example_reads_a_crop_as_python_does(tiny_expression: Path, tmp_path: Path) -> None:
    web = Path(__file__).resolve().parents[3] / "web"
    runtime = web / "node_modules" / "onnxruntime-web"
    if shutil.which("node") is None or not runtime.is_dir():
        pytest.skip("needs Node and onnxruntime-web: make web")
    targets.pack(tiny_expression, "web", tmp_path)
    crop = np.random.default_rng(2).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    rgba = np.concatenate([crop, np.full((48, 48, 1), 255, np.uint8)], axis=2)
    (tmp_path / "crop.bin").write_bytes(rgba.tobytes())
    (tmp_path / "run.mjs").write_text(
        f"""
        import {{ readFileSync }} from "node:fs";
        import * as ort from "{(runtime / "dist" / "ort.node.min.mjs").as_uri()}";
        import {{ open }} from "./example.js";
        ort.env.wasm.numThreads = 1;
        globalThis.fetch = async (file) => new Response(readFileSync(file));
        const read = await open(ort, "{tmp_path}/");
        console.log(JSON.stringify(await read(new Uint8ClampedArray(readFileSync("{tmp_path}/crop.bin")))));
        """,
        encoding="utf-8",
    )
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    expected = ExpressionModel(tiny_expression).predict(crop[None])["expression"]
    assert found["label"] == expected.label[0]
    assert list(found["scores"].values()) == pytest.approx(expected.values[0].tolist(), abs=1e-4)


def test_unknown_targets_and_damaged_folders_are_refused(tiny_expression: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="webb"):
        targets.pack(tiny_expression, "webb", tmp_path)
    damaged = shutil.copytree(tiny_expression, tmp_path / "damaged")
    (damaged / "model.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match="sha256"):
        targets.pack(damaged, "web", tmp_path / "out")
