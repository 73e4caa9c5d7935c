"""The paper's Tables 1 to 4, and our numbers beside them: params/published/rallrec_table*.csv."""

from pathlib import Path

import pandas as pd

from lib.analysis.published import FOLDER, published_table
from lib.core.errors import unknown

TABLES = (1, 2, 3, 4)
# the paper's dataset of the same kind where it has not the very same: another split, or another release
NEAREST = {"movielens-100k": "ml1m", "ml1m-ctr": "ml1m"}
CLICK_MODELS = ("deepfm", "xdeepfm", "dcn", "autoint")  # the rows of Table 1 that read no text


def published(table: int, folder: Path = FOLDER) -> pd.DataFrame:
    """One of the paper's tables: columns dataset, model, metric, value (Table 2, of counts, has no model).

    Table 1's model `p_value` holds the paper's p-values of RALLRec against the best other row; it names no test.
    """
    if table not in TABLES:
        raise unknown("table of RALLRec", str(table), TABLES)
    return published_table(f"rallrec_table{table}", folder)


def beside(results: pd.DataFrame, table: int, folder: Path = FOLDER) -> pd.DataFrame:
    """Results (dataset, model, metric, value, ...) with the paper's cell, `published`, and value - published, `delta`.

    `published_on` is the paper's dataset, the nearest one where it has not the same: then there is no delta. What the
    paper does not have is NaN. The log loss that it prints of language models is that of a probability which went
    through softmax twice and can be neither small nor large: it stands beside our `log_loss_legacy`, and nothing
    beside our `log_loss` of a language model.
    """
    cells = published(table, folder).rename(columns={"value": "published", "dataset": "published_on"})
    of_language_models = (cells.metric == "log_loss") & ~cells.model.isin(CLICK_MODELS)
    cells.loc[of_language_models, "metric"] = "log_loss_legacy"
    ours = results.assign(published_on=results.dataset.map(lambda name: NEAREST.get(name, name)))
    joined = ours.merge(cells, on=["published_on", "model", "metric"], how="left", validate="many_to_one")
    return joined.assign(delta=(joined.value - joined.published).where(joined.dataset == joined.published_on))
