"""How the recorded adapters of a study have learnt, and the first steps of one of them done again."""

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.evaluation.click_metrics import CLIP
from lib.language.yes_no.tuning import HISTORY, Learning
from lib.papers.rallrec.answers import Study
from lib.papers.rallrec.prompts import ANSWERS

SEEN = 0.01  # a loss per answer token that is lower by less counts as the same


def curves(study: Study) -> pd.DataFrame:
    """A row per step of every recorded tuning: adapter, seed, step, epoch, train_loss, validation_loss, validation_auc.

    The validation columns are NaN between validations; base_rate_loss is the same everywhere. Raises UserError where
    nothing is recorded.
    """
    if not (known := study.tuned()):
        raise UserError(f"no tuning of {study.model.name} on {study.samples.name} is recorded: run {study.command}")
    parts = [pd.read_csv(study.adapter(*one) / HISTORY).assign(adapter=one[0], seed=one[1]) for one in known]
    return pd.concat(parts, ignore_index=True).assign(base_rate_loss=base_rate_loss(study))


def base_rate_loss(study: Study) -> float:
    """The loss per token of the validation answers of who says Yes as often as it is right in training, to everyone.

    Such a model knows the words of an answer and where it ends, and nothing of the prompt.
    """
    rate, labels = study.labels("train").mean(), study.labels("validation").astype(int)
    tokens = np.array([len(study.tokens.of_answer(answer)) + 1 for answer in ANSWERS])  # and its end
    chances = np.clip([1 - rate, rate], CLIP, 1)
    return float(-np.log(chances[labels]).sum() / tokens[labels].sum())


def summary(steps: pd.DataFrame) -> pd.DataFrame:
    """What each tuning came to: steps, and loss and AUC of validation samples before it and at their best."""
    of_adapter = steps.groupby(["adapter", "seed"], sort=False)
    columns = {
        "steps": of_adapter.step.max(),
        "loss before": of_adapter.validation_loss.first(),
        "lowest loss": of_adapter.validation_loss.min(),
        "loss of the base rate": of_adapter.base_rate_loss.first(),
        "AUC before": of_adapter.validation_auc.first(),
        "highest AUC": of_adapter.validation_auc.max(),
    }
    return pd.DataFrame(columns)


def in_words(table: pd.DataFrame) -> str:
    """What the tunings in a table of `summary` came to."""
    count, lowest = len(table), table["lowest loss"]
    lower = (lowest < table["loss before"] - SEEN).sum()
    below = (lowest < table["loss of the base rate"] - SEEN).sum()
    loss, constant = "the validation loss by more than .01", "that of always answering with the base rate"
    if count == 1:
        said = f"the tuning {'lowers' if lower else 'does not lower'} {loss}"
        said += f" and {'ends' if below else 'does not end'} as far below {constant}; its"
    else:
        said = f"of {count} tunings {lower or 'none'} lower{'s' if lower < 2 else ''} {loss}"
        said += f" and {below or 'none'} end{'s' if below < 2 else ''} as far below {constant}; their"
    return f"{said} highest AUC of validation samples is {table['highest AUC'].max():.3f}"


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
