"""The tables of the figures of degrees and profile lengths, against counting one by one."""

from collections import Counter

import pandas as pd
import pytest
import toys

from lib.analysis import counts

DATA = toys.interactions(60, 80, seed=3)


def test_degrees_are_counted_by_side():
    table = counts.degree_counts(DATA)
    for side, matrix in (("user", DATA.train), ("item", DATA.train.T)):
        degrees = [matrix.tocsr()[row].nnz for row in range(matrix.shape[0])]
        own = table[table["side"] == side].set_index("degree")
        assert own["count"].to_dict() == Counter(degrees)
        for degree, share in own["share_at_least"].items():
            assert share == pytest.approx(sum(other >= degree for other in degrees) / len(degrees))


def test_words_of_profiles_are_counted_by_side():
    profiles = pd.DataFrame({"side": ["user", "user", "item", "user"], "text": ["a b", "a", "b  c", "d e"]})
    found = counts.length_counts(profiles)
    assert found.to_numpy().tolist() == [["item", 2, 1], ["user", 1, 1], ["user", 2, 2]]
    assert list(found) == ["side", "words", "count"]
