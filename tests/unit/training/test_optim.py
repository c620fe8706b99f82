from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, PolynomialLR

from mien.errors import UnknownNameError
from mien.training import optim
from mien.training.recipe import Optim, Schedule
from mien.training.sam import SAM


def rates(schedule: Schedule, steps: int) -> list[float]:
    curve = optim.factor(schedule)
    return [curve(step / steps) for step in range(steps)]


def reference(make: object, steps: int) -> list[float]:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimiser)  # type: ignore[operator]
    out = []
    for _ in range(steps):
        out.append(float(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        scheduler.step()
    return out


def test_cosine_without_warmup_is_torchs() -> None:
    expected = reference(lambda o: CosineAnnealingLR(o, 50, eta_min=0.1), 50)
    assert rates(Schedule(name="cosine", warmup=0.0, floor=0.1), 50) == pytest.approx(expected)


def test_polynomial_is_torchs() -> None:
    expected = reference(lambda o: PolynomialLR(o, 50, power=2.0), 50)
    assert rates(Schedule(name="polynomial", warmup=0.0, power=2.0), 50) == pytest.approx(expected)


def test_onecycle_is_torchs_up_to_the_last_point() -> None:
    steps = 101
    expected = reference(
        lambda o: OneCycleLR(
            o, 1.0, total_steps=steps, pct_start=0.3, div_factor=25, final_div_factor=1e9, cycle_momentum=False
        ),
        steps,
    )
    # torch puts the top at step pct_start * total - 1 and the end at total - 1.
    curve = optim.factor(Schedule(name="onecycle", warmup=0.3))
    top = 0.3 * steps - 1
    for step, value in enumerate(expected):
        progress = 0.3 * step / top if step <= top else 0.3 + 0.7 * (step - top) / (steps - 1 - top)
        assert curve(progress) == pytest.approx(value, abs=1e-6)


def test_step_multiplies_at_its_milestones_and_warmup_rises_in_a_straight_line() -> None:
    curve = optim.factor(Schedule(name="step", warmup=0.2, milestones=(0.5,), gamma=0.1))
    assert [curve(p) for p in (0.0, 0.1, 0.2, 0.49, 0.51)] == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.1])
    assert curve(0.05) == pytest.approx(0.25)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cosine'"):
        optim.factor(Schedule(name="cosin"))
    with pytest.raises(UnknownNameError, match="Did you mean 'radam'"):
        optim.optimiser(optim.groups(nn.Linear(2, 2), 0.1), Optim(name="adam"))


def test_norms_and_biases_do_not_decay() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    decaying, still = optim.groups(module, 0.1)
    assert [p.shape for p in decaying["params"]] == [(4, 3)]
    assert (decaying["weight_decay"], still["weight_decay"]) == (0.1, 0.0)
    assert len(still["params"]) == 3


def test_muon_moves_wide_layers_in_all_directions_alike_and_leaves_narrow_ones_to_adamw() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 24, 3), nn.Conv2d(24, 8, 1))
    before = [p.detach().clone() for p in module.parameters()]
    recipe = Optim(name="muon", lr=0.01, momentum=0.95)
    chosen = optim.optimiser(optim.groups(module, 0.0), recipe)
    for p in module.parameters():
        p.grad = torch.randn_like(p)
    chosen.step()
    moved = [(now.detach() - old) for now, old in zip(module.parameters(), before, strict=True)]
    wide = torch.linalg.svdvals(moved[2].flatten(1))
    # an orthogonal matrix times 0.2 * sqrt(longer side) * rate; five rounds of Newton-Schulz leave 0.7 to 1.2 of it
    assert (wide / (0.2 * (16 * 9) ** 0.5 * 0.01)).numpy() == pytest.approx(1.0, abs=0.35)
    for narrow in (moved[0], moved[4]):  # AdamW's first step, with Nesterov's look ahead, has one length
        assert narrow.abs().numpy() == pytest.approx(1.95 * 0.01, rel=1e-2)


def test_muon_goes_on_from_its_saved_state_as_if_it_had_not_stopped() -> None:
    torch.manual_seed(0)
    recipe = Optim(name="muon", lr=0.01, momentum=0.95)
    first = nn.Sequential(nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 8, 1))
    one = optim.optimiser(optim.groups(first, 0.05), recipe)

    def step(module: nn.Module, chosen: torch.optim.Optimizer, seed: int) -> None:
        torch.manual_seed(seed)
        chosen.zero_grad()
        module(torch.randn(2, 16, 8, 8)).square().mean().backward()
        chosen.step()

    step(first, one, 1)
    second = copy.deepcopy(first)
    other = optim.optimiser(optim.groups(second, 0.05), recipe)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for seed in (2, 3):
        step(first, one, seed)
        step(second, other, seed)
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_layer_decay_gives_earlier_stages_smaller_rates_and_places_every_parameter_once() -> None:
    module = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    recipe = Optim(name="adamw", lr=0.1, layer_decay=0.5)
    chosen = optim.optimiser(optim.parameter_groups(module, [module["a"], module["b"]], recipe), recipe)
    rate = {id(p): g["lr"] for g in chosen.param_groups for p in g["params"]}
    assert [rate[id(module[k].weight)] for k in ("head", "b", "a")] == pytest.approx([0.1, 0.05, 0.025])
    assert len(rate) == 6


def test_sam_steps_with_the_gradient_of_the_worst_point_nearby() -> None:
    matrix = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    start, rate, radius = torch.tensor([1.0, -2.0]), 0.1, 0.3
    w = nn.Parameter(start.clone())
    sam = SAM(torch.optim.SGD([w], lr=rate), radius)

    def closure() -> torch.Tensor:
        sam.zero_grad()
        loss = 0.5 * w @ matrix @ w
        loss.backward()
        return loss

    loss = sam.step(closure)
    gradient = matrix @ start
    expected = start - rate * matrix @ (start + radius * gradient / gradient.norm())
    torch.testing.assert_close(w.detach(), expected)
    assert float(loss.detach()) == pytest.approx(float(0.5 * start @ matrix @ start))


def test_sam_sees_the_same_draws_twice_and_keeps_the_base_state() -> None:
    w = nn.Parameter(torch.ones(3))
    sam = SAM(torch.optim.AdamW([w], lr=0.1), 0.1)
    seen = []

    def closure() -> torch.Tensor:
        sam.zero_grad()
        noise = torch.rand(3)
        seen.append(noise)
        loss = (w * noise).square().sum()
        loss.backward()
        return loss

    sam.step(closure)
    torch.testing.assert_close(seen[0], seen[1])
    other = SAM(torch.optim.AdamW([nn.Parameter(torch.ones(3))], lr=0.1), 0.1)
    other.load_state_dict(sam.state_dict())
    torch.testing.assert_close(next(iter(other.state.values()))["exp_avg"], next(iter(sam.state.values()))["exp_avg"])
    assert math.isclose(other.param_groups[0]["lr"], 0.1)
