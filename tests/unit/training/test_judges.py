from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, balanced_accuracy_score, confusion_matrix, f1_score, log_loss
from torchmetrics.functional import concordance_corrcoef

from mien.training.judges import Categorical, judge

CLASSES = 4


@pytest.fixture
def answers() -> torch.Tensor:
    return torch.randn(90, CLASSES, generator=torch.Generator().manual_seed(1)).softmax(-1)


def in_parts(name: str, answers: torch.Tensor, targets: torch.Tensor, hard: torch.Tensor) -> dict[str, float]:
    """Judge in two batches, after an epoch of other answers that must leave no trace."""
    made = judge(name, answers.shape[1])  # type: ignore[arg-type]
    made.update(answers.flip(0)[:20], targets[:20], hard[:20])
    made.compute()
    for part in (slice(0, 50), slice(50, None)):
        made.update(answers[part], targets[part], hard[part])
    return {key: float(value) for key, value in made.compute().items()}


def test_figures_of_labels_are_scikit_learns_and_rows_without_a_label_do_not_count(answers: torch.Tensor) -> None:
    hard = torch.randint(CLASSES, (90,), generator=torch.Generator().manual_seed(2))
    targets = torch.nn.functional.one_hot(hard, CLASSES).float()
    hard[::7] = -1
    targets[::7] = float("nan")
    known = (hard >= 0).numpy()
    truth, said = hard.numpy()[known], answers.argmax(dim=1).numpy()[known]
    found = in_parts("label", answers, targets, hard)
    assert found["accuracy"] == pytest.approx((truth == said).mean())
    assert found["balanced"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert found["f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert found["nll"] == pytest.approx(log_loss(truth, answers.numpy()[known]), rel=1e-5)


def test_the_confusion_matrix_has_true_labels_in_rows(answers: torch.Tensor) -> None:
    hard = torch.randint(CLASSES, (90,), generator=torch.Generator().manual_seed(2))
    made = Categorical(CLASSES)
    assert made.confusion is None
    made.update(answers, torch.nn.functional.one_hot(hard, CLASSES).float(), hard)
    made.compute()
    assert made.confusion is not None
    np.testing.assert_array_equal(made.confusion.numpy(), confusion_matrix(hard.numpy(), answers.argmax(1).numpy()))


def test_figures_of_presence_are_scikit_learns_at_each_labels_best_threshold(answers: torch.Tensor) -> None:
    present = (torch.rand(90, CLASSES, generator=torch.Generator().manual_seed(3)) > 0.6).float()
    found = in_parts("present", answers, present, torch.full((90,), -1))
    truth, scores = present.numpy(), answers.double().numpy()
    best = [max(f1_score(truth[:, c], scores[:, c] >= t) for t in scores[:, c]) for c in range(CLASSES)]
    assert found["f1"] == pytest.approx(np.mean(best), abs=1e-3)
    expected = np.mean([average_precision_score(truth[:, c], scores[:, c]) for c in range(CLASSES)])
    assert found["map"] == pytest.approx(expected, abs=1e-6)


def test_concordance_is_torchmetrics(answers: torch.Tensor) -> None:
    truth = torch.rand(90, CLASSES, generator=torch.Generator().manual_seed(4)) + answers
    found = in_parts("values", answers, truth, torch.full((90,), -1))
    # torchmetrics divides by n - 1, Lin's paper by n.
    assert found["ccc"] == pytest.approx(float(concordance_corrcoef(answers, truth).mean()), abs=5e-3)
    assert found["error"] == pytest.approx(float((answers - truth).abs().mean()), rel=1e-5)
