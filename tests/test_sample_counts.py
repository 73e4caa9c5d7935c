"""Table 2 of RALLRec: counts over all samples and over train, against sets."""

import pytest
from planted_ratings import planted

from lib.core.errors import UserError
from lib.papers.rallrec.sample_counts import table2

FIELDS = {"ml1m": 10, "movielens-100k": 9, "amazon": 6, "books": 10}  # of 100K no ZIP is read
BOOK = ("author", "year", "publisher")


@pytest.mark.parametrize("layout", FIELDS)
def test_counts_are_those_of_sets(tmp_path, layout):
    samples = planted(tmp_path, 1, layout, n_users=60, n_items=110)
    counts = table2(samples)
    assert counts["fields"] == FIELDS[layout] and counts["samples"] == len(samples.rows)
    assert counts["users"] == len({*samples.rows.user}) and counts["items"] == len(samples.items)
    assert counts["ratings"] == len(samples.events)
    train = table2(samples, "train")
    users, items, ratings = set(), set(), set()
    for number, row in enumerate(samples.rows.itertuples()):
        if row.split == "train":
            users.add(row.user)
            items |= {samples.rows["item"].iloc[number], *samples.history(number)["item"]}
            ratings |= {*range(row.start, row.stop)}
    assert (train["users"], train["items"], train["ratings"]) == (len(users), len(items), len(ratings))
    of_users, of_items = samples.users.iloc[sorted(users)], samples.items.iloc[sorted(items)]
    known = [{*of_users[name]} for name in ("gender", "age", "occupation", "zip", "country") if name in of_users]
    known += [{*of_items[name]} for name in ("title", "genre", "category", *BOOK) if name in of_items]
    assert train["features"] == len(users) + len(items) + sum(map(len, known)) <= counts["features"]


def test_another_scope_is_refused(tmp_path):
    with pytest.raises(UserError, match="unknown scope 'trian': did you mean 'train'"):
        table2(planted(tmp_path, n_users=20, n_items=30), "trian")
