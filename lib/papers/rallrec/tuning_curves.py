"""How the recorded adapters of a study have learnt, and the first steps of one of them done again."""

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.language.yes_no.tuning import HISTORY, Learning
from lib.papers.rallrec.answers import Study


def curves(study: Study) -> pd.DataFrame:
    """A row per step of every recorded tuning: adapter, seed, step, epoch, train_loss, validation_loss, validation_auc.

    The validation columns are NaN between validations. Raises UserError where nothing is recorded.
    """
    if not (known := study.tuned()):
        raise UserError(f"no tuning of {study.model.name} on {study.samples.name} is recorded: run {study.command}")
    parts = [pd.read_csv(study.adapter(*one) / HISTORY).assign(adapter=one[0], seed=one[1]) for one in known]
    return pd.concat(parts, ignore_index=True)


def summary(steps: pd.DataFrame) -> pd.DataFrame:
    """What each tuning came to: steps, and loss and AUC of validation samples before it and at their best."""
    of_adapter = steps.groupby(["adapter", "seed"], sort=False)
    columns = {
        "steps": of_adapter.step.max(),
        "loss before": of_adapter.validation_loss.first(),
        "lowest loss": of_adapter.validation_loss.min(),
        "AUC before": of_adapter.validation_auc.first(),
        "highest AUC": of_adapter.validation_auc.max(),
    }
    return pd.DataFrame(columns)


def first_losses(study: Study, name: str, seed: int, steps: int) -> np.ndarray:
    """The training losses of the first steps of a tuning, computed now: [steps]."""
    how = study.how(name, seed)
    learning = Learning(study.model, how, study.device)
    examples = learning.encoded(study.examples(name)[0])
    order = np.random.default_rng([seed, 0]).permutation(len(examples))  # as the tuning draws its first epoch
    total = how.epochs * -(-len(examples) // how.batch_size)
    batches = [order[step * how.batch_size : (step + 1) * how.batch_size] for step in range(steps)]
    return np.array(
        [
            learning.step(step, total, [examples[index] for index in batch], lambda count: None)
            for step, batch in enumerate(batches)
        ]
    )
