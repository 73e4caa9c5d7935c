"""What protocols give, counted by hand on small data and beside the published counts where those data are there."""

import math

import numpy as np
import pandas as pd
import pytest
from drawn_sequences import drawn, lists

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets
from lib.data.interactions import SPLITS
from lib.evaluation.target_rank import metrics_of_ranks
from lib.papers.pte import protocols
from lib.papers.pte.published import published


def values(table, column="value") -> pd.Series:
    return table.set_index("quantity")[column]


def test_counts_are_those_of_a_loop():
    sequences = drawn(4, n_users=90)
    taken = lists(sequences)
    found = protocols.counts(sequences, "leave_one_out", protocols.split(sequences, "leave_one_out"))
    assert found.dataset.eq("drawn").all() and found.protocol.eq("leave_one_out").all() and found.published.isna().all()
    found = values(found)
    assert found["users"] == found["test rows"] == 90 and found["items"] == 40
    assert found["train rows"] == sum(len(items) > 3 for items in taken) < 90
    assert found["events"] == sum(map(len, taken))
    known = {item for items in taken for item in items[:-2]}
    unknown = [items[-1] not in known for items in taken]
    assert found["test targets unknown to train"] == sum(unknown)
    assert found["share of test targets unknown to train"] == pytest.approx(np.mean(unknown))
    user, item = found["events of a head user"], found["events of a head item"]
    count = {item: sum(items.count(item) for items in taken) for item in range(1, 41)}
    assert found["share of tail users"] == pytest.approx(np.mean([len(items) - 1 < user for items in taken]))
    assert found["share of tail items"] == pytest.approx(np.mean([count[one] < item for one in count]))
    rows = [(len(items) - 1 < user, count[items[-1]] < item) for items in taken]
    assert found["share of test rows of tail users"] == pytest.approx(np.mean([tail for tail, _ in rows]))
    assert found["share of test rows of tail items"] == pytest.approx(np.mean([tail for _, tail in rows]))


def test_cold_start_counts_what_eleven_events_leave():
    sequences = drawn(4, n_users=90)
    found = values(protocols.counts(sequences, "cold_start", protocols.split(sequences, "cold_start")))
    assert [found[f"{name} rows"] for name in SPLITS] == [72, 9, 9]
    assert found["events"] == sum(min(len(items), 11) for items in lists(sequences))


def test_published_counts_are_whole():
    table = published("counts")
    assert not table.duplicated(["dataset", "protocol", "quantity"]).any() and len(table) == 12
    for _, part in table.groupby("dataset"):
        found = values(part)
        assert sum(found[f"{name} rows"] for name in SPLITS) == found["users"]
        assert found["train rows"] == found["users"] * 8 // 10 and found["validation rows"] == found["users"] // 10


@pytest.mark.parametrize("dataset", ["toys", "sports"])
def test_published_counts_are_ours(dataset):
    if not (ROOT / "data" / dataset).is_dir():
        pytest.skip(f"data/{dataset} is not there: python -m lib fetch {dataset} --from FOLDER")
    sequences = datasets.load_sequences(dataset)
    table = protocols.counts(sequences, "cold_start", protocols.split(sequences, "cold_start")).dropna()
    assert len(table) == 6 and (table.value == table.published).all()


def test_rows_in_words():
    sequences = drawn(1, n_users=5, n_items=6, longest=5)
    sequences.items["title"] = [*"abcdef"]
    rows = protocols.split(sequences, "leave_one_out")
    found = protocols.in_words(sequences, rows)
    expected = []
    for name, cut in (("train", 3), ("validation", 2), ("test", 1)):
        for user, items in enumerate(lists(sequences)):
            words = ["abcdef"[item - 1] for item in items]
            if len(words) > cut:
                expected.append((name, user * 3 + 7, " ".join(words[:-cut]), words[-cut]))
    assert list(found.itertuples(index=False, name=None)) == expected


def test_errors_of_printed_cells_hold_the_error_of_the_ranks_behind_them(monkeypatch):
    rng = np.random.default_rng(0)
    for skew in (1, 3):
        ranks = np.floor(300 * rng.random(5000) ** skew) + 1
        found = metrics_of_ranks(ranks, [10])
        cells = [("x", "sasrec", "own", metric, 10, found[f"{metric}@10"].mean()) for metric in ("ndcg", "mrr")]
        frame = pd.DataFrame(cells, columns=["dataset", "backbone", "method", "metric", "k", "value"])
        monkeypatch.setattr(protocols, "published", lambda table, frame=frame: frame)
        (row,) = protocols.ndcg_errors("x", 5000).itertuples()
        error = found["ndcg@10"].std() / math.sqrt(5000)
        assert row.error_low <= error <= row.error_high < 1.4 * row.error_low


def test_errors_of_toys():
    found = protocols.ndcg_errors("toys", 1942).set_index(["backbone", "method"])
    base = found.loc["sasrec", "base"]
    assert (len(found), base.ndcg) == (20, 0.0255) and 0.0026 < base.error_low < 0.0029 < base.error_high < 0.0031
    assert protocols.ndcg_errors("movielens-100k", 95).empty


def test_an_unknown_protocol_is_one_sentence():
    with pytest.raises(UserError, match="unknown protocol 'cold_strat': did you mean 'cold_start'"):
        protocols.split(drawn(), "cold_strat")
