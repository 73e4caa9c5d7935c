"""Case studies against double loops over Python sets, graph searches, a greedy loop and SciPy."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from scipy.sparse.csgraph import shortest_path

from lib import cases, semantics
from lib.files import UserError


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def train(n_users=60, n_items=50, density=0.06, seed=0) -> sp.csr_matrix:
    return sp.random(n_users, n_items, density, format="csr", random_state=seed, dtype=np.float32)


def cosine(space, i, j) -> float:
    return float(space[i] @ space[j] / np.linalg.norm(space[i]) / np.linalg.norm(space[j]))


def shared(matrix, i, j) -> int:
    return len(set(matrix[i].indices) & set(matrix[j].indices))


# Names


def test_names_are_titles_then_category_and_words_then_words():
    items = pd.DataFrame(
        {"title": ["Heat", None, None, "Usual Suspects, The"], "category": [None, "Novels", None, "x"]}
    )
    texts = ["a", "A long tale of two old friends", "Short one", "b"]
    expected = ["Heat", "Novels: A long tale of two …", "Short one", "The Usual Suspects"]
    assert cases.names(items, texts).tolist() == expected
    assert cases.names(None, texts)[1] == cases.names(items.iloc[:, :0], texts)[1] == "A long tale of two …"
    assert cases.names(items.assign(title=np.nan, category=np.nan), texts)[3] == "b"


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("One two three. Four.", 9, "One two three."),
        ("One two three. Four.", 2, "One two …"),
        ("3.5 stars, no full stop", 9, "3.5 stars, no full stop"),
        ("  \n Really? Yes.", 9, "Really?"),
    ],
)
def test_a_sentence_ends_at_its_mark_or_is_cut(text, words, expected):
    assert cases.sentence(text, words) == expected


def test_a_name_that_begins_its_sentence_stands_there_once():
    assert cases.described("Heat", "Heat is a film. Long.") == "**Heat** is a film."
    assert cases.described("Heat", "A film.") == "**Heat**: A film."
    assert (
        cases.described("A long tale of two …", "A long tale of two old friends.")
        == "**A long tale of two** old friends."
    )


def test_texts_of_a_side_are_by_index_whatever_the_order():
    profiles = pd.DataFrame({"side": ["item", "user", "item"], "index": [1, 0, 0], "text": ["b", "u", "a"]})
    assert cases.texts_of(profiles, "item").tolist() == ["a", "b"]


# Items


OVERLAPS = pd.DataFrame({"base": [0.1, 0.2, 0.3, 0.0, 0.0], "contrastive": [0.1, 0.1, 0.5, 0.2, 0.2]})


def test_most_risen_are_sorted_by_rise_then_index():
    assert cases.most_risen(OVERLAPS, "contrastive", 3) == [2, 3, 4]
    assert cases.most_risen(OVERLAPS, "contrastive", 2) == [2, 3]


def test_changes_count_and_bracket_the_mean():
    rng = np.random.default_rng(0)
    overlaps = pd.DataFrame({"base": rng.random(400), "generative": 0.0})
    overlaps["generative"] = overlaps["base"] + rng.choice([-0.1, 0, 0.2], 400)
    row = cases.changes(overlaps, rng).set_index("alignment").loc["generative"]
    change = (overlaps["generative"] - overlaps["base"]).tolist()
    counts = [sum(x > 0 for x in change), sum(x == 0 for x in change), sum(x < 0 for x in change)]
    assert [row["rises"], row["unchanged"], row["falls"]] == pytest.approx(np.array(counts) / 400)
    assert row["top_mean"] == pytest.approx(np.mean(sorted(change)[-3:])) and row["mean"] == pytest.approx(
        np.mean(change)
    )
    low, high = stats.t.interval(0.95, 399, np.mean(change), stats.sem(change))
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([low, high], abs=0.2 * (high - low))


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.1, "is supported"), (-0.1, "is not supported"), (0, "is inconclusive")]
)
def test_change_verdicts_follow_the_interval(shift, verdict):
    base = np.random.default_rng(1).random(300)
    noise = np.random.default_rng(2).normal(size=300) * 0.1
    overlaps = pd.DataFrame({"base": base, "contrastive": base + shift + noise - noise.mean()})
    rows = cases.changes(overlaps, np.random.default_rng(0))
    (sentence,) = cases.change_verdicts(rows)
    assert verdict in sentence and "contrastive" in sentence
    again = rows.assign(alignment=semantics.AGAIN, mean=-0.3)  # another seed makes more than that
    (sentence,) = cases.change_verdicts(pd.concat([rows, again]))
    assert "inconclusive" in sentence


def test_nearest_are_the_neighbours_and_marked_where_the_text_agrees():
    text, base = normal(0, 40, 5), normal(1, 40, 4)
    table = cases.nearest({"base": base, "text": text}, [7, 3], n=4, k=9)
    assert len(table) == 2 * 2 * 4 and table["item"].unique().tolist() == [7, 3]
    for row in table.itertuples():
        space = base if row.space == "base" else text
        order = sorted(set(range(40)) - {row.item}, key=lambda j: -cosine(space, row.item, j))  # noqa: B023
        wanted = sorted(set(range(40)) - {row.item}, key=lambda j: -cosine(text, row.item, j))[:9]  # noqa: B023
        assert row.neighbour == order[row.rank - 1] and row.in_text == (row.neighbour in wanted)


def test_the_layout_has_a_line_of_overlaps_then_neighbours_by_rank():
    text, base = normal(0, 30, 5), normal(1, 30, 4)
    spaces = {"base": base, "contrastive": text[:, :4], "text": text}
    overlaps = semantics.item_overlap({name: spaces[name] for name in ("base", "contrastive")}, text, 20)
    names, texts = [f"n{i}" for i in range(30)], [f"words of {i}." for i in range(30)]
    table = cases.nearest(spaces, [4, 9], n=2)
    layout = cases.nearest_layout(table, overlaps, names, texts)
    assert list(layout) == ["item", "rank", "base", "contrastive", "text"]
    assert layout["rank"].tolist() == ["", "1", "2"] * 2 and layout["item"].tolist()[::3] == [
        "**n4**: words of 4.",
        "**n9**: words of 9.",
    ]
    assert (
        layout.loc[3, "contrastive"] == f"overlap {overlaps.loc[9, 'contrastive']:.3f}" and layout.loc[3, "text"] == ""
    )
    for row in table.itertuples():
        cell = layout.loc[(3 if row.item == 9 else 0) + row.rank, row.space]
        assert cell.removeprefix(r"\* ") == f"**n{row.neighbour}**: words of {row.neighbour}."
        assert cell.startswith(r"\*") == (row.in_text and row.space != "text")


# Users


def test_users_without_a_shared_item_are_those_more_than_three_hops_apart():
    matrix = train()
    n_users = matrix.shape[0]
    graph = sp.bmat([[None, matrix], [matrix.T, None]])
    hops = shortest_path(graph, unweighted=True, directed=False)[:n_users, :n_users]
    far = np.array([[shared(matrix, i, j) == 0 and i != j for j in range(n_users)] for i in range(n_users)])
    assert (far == (hops > 3)).all() and 0 < far.sum() < far.size - n_users
    found = cases._shared(matrix, np.arange(n_users)) == cases.fewest_shared(matrix)
    assert (found == far).all()


@pytest.mark.parametrize("chunk", [7, 1024])
def test_fewest_shared_where_every_two_users_share_an_item(chunk):
    matrix = train(density=0.5)
    expected = min(shared(matrix, i, j) for i in range(60) for j in range(i))
    assert cases.fewest_shared(matrix, chunk) == expected > 0


def greedy(matrix, text):
    """Pairs by falling text cosine among those who share fewest items, each user once."""
    n, taken, found = matrix.shape[0], set(), []
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    fewest = min(shared(matrix, *pair) for pair in pairs)
    pairs = [pair for pair in pairs if shared(matrix, *pair) == fewest]
    for pair in sorted(pairs, key=lambda pair: -cosine(text, *pair)):
        if not taken & set(pair):
            taken |= set(pair)
            found.append(pair)
    return found, fewest


@pytest.mark.parametrize("density", [0.06, 0.5])
@pytest.mark.parametrize(("n", "chunk"), [(3, 1024), (12, 7), (1000, 1024)])
def test_far_pairs_are_those_of_a_greedy_loop(density, n, chunk):
    matrix, text = train(density=density), normal(0, 60, 5)
    pairs = cases.far_pairs(matrix, text, n, chunk)
    expected, fewest = greedy(matrix, text)
    assert list(zip(pairs["user"], pairs["partner"], strict=True)) == expected[:n]
    assert pairs["shared"].eq(fewest).all() and len(pairs) == min(n, len(expected))
    assert pairs["text_cosine"].tolist() == pytest.approx([cosine(text, *pair) for pair in expected[:n]], abs=1e-5)


def test_far_pairs_of_equal_texts_and_of_one_user():
    pairs = cases.far_pairs(sp.identity(6, format="csr"), np.ones((6, 3)))
    assert pairs[["user", "partner"]].to_numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UserError, match="one user only"):
        cases.far_pairs(sp.identity(1, format="csr"), np.ones((1, 3)))


def test_positions_equal_a_ranking_of_all_far_users():
    matrix, text = train(), normal(0, 60, 5)
    spaces = {"base": normal(1, 60, 4), "contrastive": text}
    pairs = cases.far_pairs(matrix, text, 8)
    table = cases.positions(pairs, spaces, matrix)
    assert len(table) == 2 * len(pairs)
    for row in table.itertuples():
        space, shares = spaces[row.space], []
        for one, other in ((row.user, row.partner), (row.partner, row.user)):
            far = [j for j in range(60) if j != one and shared(matrix, one, j) == 0]
            rank = sorted(far, key=lambda j: -cosine(space, one, j)).index(other)  # noqa: B023
            shares.append(rank / (len(far) - 1))
            if one == row.user:
                assert (row.rank, row.candidates) == (rank + 1, len(far))
        assert row.cosine == pytest.approx(cosine(space, row.user, row.partner), abs=1e-5)
        assert row.nearer == pytest.approx(np.mean(shares))


def test_random_spaces_put_the_partner_in_the_middle_and_the_text_itself_first():
    matrix, text = train(400, 500, 0.01), normal(0, 400, 6)
    pairs = cases.far_pairs(matrix, text, 100)
    table = cases.positions(pairs, {"base": normal(1, 400, 6), "text": text}, matrix)
    mean = table.groupby("space")["nearer"].mean()
    assert mean["base"] == pytest.approx(0.5, abs=0.08) and mean["text"] < 0.05


@pytest.mark.parametrize("chunk", [7, 1024])
def test_mean_far_cosine_equals_a_double_loop(chunk):
    matrix, space = train(), normal(1, 60, 4)
    values = [cosine(space, i, j) for i in range(60) for j in range(60) if i != j and shared(matrix, i, j) == 0]
    assert cases.mean_far_cosine({"base": space}, matrix, chunk)["base"] == pytest.approx(np.mean(values), abs=1e-5)


def test_pair_summary_is_paired():
    rng = np.random.default_rng(0)
    base = rng.random(100)
    frames = [
        pd.DataFrame(
            {"user": range(100), "partner": range(100, 200), "space": space, "nearer": base - gain, "cosine": base}
        )
        for space, gain in (("base", 0), ("contrastive", rng.normal(0.05, 0.01, 100)))
    ]
    summary = cases.pair_summary(pd.concat(frames), rng).set_index(["space", "measure"])
    row = summary.loc[("contrastive", "nearer")]
    assert row["difference"] == pytest.approx(-0.05, abs=0.005) == row["mean"] - base.mean()
    assert row["difference_high"] - row["difference_low"] < 0.1 * (row["ci_high"] - row["ci_low"])
    assert summary.loc[("contrastive", "cosine"), "difference"] == 0


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.2, -0.1, "supported"), (0.1, 0.2, "not supported"), (-0.1, 0.1, "inconclusive")]
)
def test_pair_verdicts_follow_the_interval(low, high, verdict):
    rows = [
        ("base", "nearer", 0.5, 0, 0),
        ("contrastive", "cosine", 9, 9, 9),
        ("contrastive", "nearer", 0.4, low, high),
    ]
    summary = pd.DataFrame(rows, columns=["space", "measure", "mean", "difference_low", "difference_high"])
    summary = summary.assign(difference=-0.1)
    (sentence,) = cases.pair_verdicts(summary)
    assert sentence.startswith(f"contrastive: {verdict}; 0.400 of") and "\N{MINUS SIGN}0.100" in sentence
    again = summary[2:].assign(space=semantics.AGAIN, difference=0.15)  # another seed makes more than half of that
    (sentence,) = cases.pair_verdicts(pd.concat([summary, again]))
    assert sentence.startswith("contrastive: inconclusive")
