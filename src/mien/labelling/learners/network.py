"""A network by a recipe as the learner: what will be shipped, and minutes a round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien import labels as label_sets
from mien.errors import RecipeError
from mien.labelling.learners import Scored
from mien.training import checkpoint
from mien.training import recipe as recipes
from mien.training.job import Inputs
from mien.training.run import train
from mien.training.scoring import probabilities
from mien.training.tasks.expression import ExpressionRecipe


class Network:
    """Trains a recipe of the task 'expression' from its start, each time with the seed that it is given.

    Args:
        recipe: of one training.
        head: whose labels are learned; None is the first.

    Raises:
        RecipeError: it is of another task, or has no such head.
    """

    def __init__(self, recipe: recipes.Recipe, head: str | None = None) -> None:
        if not isinstance(recipe, ExpressionRecipe):
            raise RecipeError(f"'{recipe.name}' is of the task '{recipe.task}'; the loop trains the task 'expression'")
        self.recipe, self.head = recipe, head or next(iter(recipe.heads))
        if self.head not in recipe.heads:
            raise RecipeError(f"the recipe has no head '{self.head}', it has {', '.join(recipe.heads)}")
        self.labels = label_sets.get(recipe.heads[self.head].labels)

    def facts(self) -> dict[str, Any]:
        """Return the recipe and the head."""
        return {"learner": "network", "head": self.head, "recipe": self.recipe.model_dump(mode="json")}

    def learn(self, table: Path, folder: Path, seed: int, *, pool: Sequence[Path], val: Sequence[Path]) -> Scored:
        """Train, score with the last checkpoint, and delete the checkpoints, of which a loop would leave many."""
        recipe = self.recipe.model_copy(update={"seed": seed})
        run = train(recipe, Inputs(table), folder, resume=True, progress=False)
        model = checkpoint.load(run.last)
        scored = (probabilities(model, pool)[self.head], probabilities(model, val)[self.head])
        for file in (run.best, run.last):
            file.unlink(missing_ok=True)
        return scored
