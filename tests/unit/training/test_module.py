from __future__ import annotations

from typing import Any

import pytest
import torch

from mien.curation.table import Table
from mien.losses import masked
from mien.training import run
from mien.training.augment import mix
from mien.training.job import Inputs
from mien.training.module import HeadsModule
from mien.training.recipe import parse


def stepped(
    plain: dict[str, Any], table: Table, monkeypatch: pytest.MonkeyPatch, *overrides: str
) -> tuple[HeadsModule, dict[str, Any], dict[str, float], torch.Tensor]:
    """One training step outside a trainer: module, batch, what was logged, and the loss."""
    job = run.prepare(parse(plain, ["model.dropout=0", *overrides]), Inputs(table.path))
    module = job.module
    assert isinstance(module, HeadsModule)
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: float(value.detach())}))
    monkeypatch.setattr(module, "done", lambda: 0.0)
    for name in module.uncertainty:
        torch.nn.init.constant_(module.uncertainty[name], 0.7 if name == "expression" else -0.4)
    batch = next(iter(job.data.train_dataloader()))
    torch.manual_seed(5)
    return module.eval(), batch, logged, module.training_step(batch, 0)


def test_learned_weights_are_kendalls_formula(
    plain: dict[str, Any], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ("augment={}", "combination=learned", "heads.expression.weight=2.0")
    module, batch, logged, loss = stepped(plain, table, monkeypatch, *overrides)
    logits = module.network(batch["images"].float())
    parts = {
        name: masked(objective.loss, logits[name], batch["targets"][name])
        for name, objective in module.objectives.items()
    }
    expected = 2 * (torch.exp(torch.tensor(-0.7)) * parts["expression"] + 0.35)
    expected = expected + torch.exp(torch.tensor(0.4)) * parts["expression7"] - 0.2
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    assert logged["train/loss"] == pytest.approx(float(loss.detach()))


def test_training_accuracy_is_measured_against_the_mixed_targets(
    plain: dict[str, Any], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def watched(*given: Any) -> Any:
        images, targets, weights = mix(*given)
        seen.append({"images": images, **targets})
        return images, targets, weights

    monkeypatch.setattr("mien.training.module.mix", watched)
    module, batch, logged, _ = stepped(plain, table, monkeypatch, "augment={mixup=1.0}")
    assert not torch.equal(seen[0]["expression7"], batch["targets"]["expression7"])
    logits = module.network(seen[0]["images"])
    for name in ("expression", "expression7"):
        said = logits[name].argmax(dim=1)
        shares = [float(row[label]) for row, label in zip(seen[0][name], said, strict=True)]
        assert logged[f"train/{name}_accuracy"] == pytest.approx(sum(shares) / len(shares), abs=1e-6)
