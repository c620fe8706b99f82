"""Heads: from a trunk's features to one kind of answer."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Activation = Literal["softmax", "sigmoid", "tanh", "clamp", "linear"]


class Head(nn.Module):
    """A linear layer behind dropout, and how its logits become an answer.

    Args:
        width: number of features.
        classes: number of outputs.
        dropout: share of features left out in training.
        activation: softmax (one label of many), sigmoid (each label by itself), tanh or clamp
            (values from -1 to 1: bent, or cut off), linear.
        evidence: number of probabilities of another head that weight the features (see `Evidence`); 0 is none.
    """

    def __init__(
        self, width: int, classes: int, dropout: float = 0.0, activation: Activation = "softmax", evidence: int = 0
    ) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, classes)
        self.evidence = Evidence(evidence, width) if evidence else None

    def forward(self, features: Tensor, evidence: Tensor | None = None) -> Tensor:
        """Return logits ``(n, classes)``; `evidence` are the other head's probabilities where the head takes them."""
        if self.evidence is not None and evidence is not None:
            features = self.evidence(features, evidence)
        logits: Tensor = self.linear(self.dropout(features))
        return logits

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the answer ``(n, classes)`` that logits stand for."""
        if self.activation == "softmax":
            return logits.softmax(dim=-1)
        if self.activation == "sigmoid":
            return logits.sigmoid()
        if self.activation == "clamp":
            return logits.clamp(-1.0, 1.0)
        return logits.tanh() if self.activation == "tanh" else logits


class Evidence(nn.Module):
    """Attention by evidence: what one head found (action units, say) weights the features of another.

    Each feature is scaled by a gate from 0 to 2 that is computed from the evidence; the gates start at 1, so training
    begins as without evidence.

    Args:
        inputs: number of probabilities.
        width: number of features.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs, width)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, features: Tensor, evidence: Tensor) -> Tensor:
        """Scale features ``(n, width)`` by evidence ``(n, inputs)``."""
        gates: Tensor = 2 * self.gate(evidence).sigmoid()
        return features * gates
