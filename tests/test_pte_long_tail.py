"""The comparison on leave-one-out from planted ranks: groups, published cells, and gains that rare items alone have."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation import invariants
from lib.papers.pte import long_tail
from lib.papers.pte.differences_figure import long_tail_figure
from lib.papers.pte.trained_models import Model

N, SEEDS = 1200, (42, 43, 44)
BASE, TAIL, HEAD = (Model("sasrec", name, "bce", text) for name, text in [
    ("identity", "none"), ("alphafuse", "minilm"), ("llm_esr", "minilm"),
])  # fmt: skip
RARE = np.arange(N) % 3 == 0
GROUPS = pd.DataFrame({"overall": True, "tail_item": RARE, "head_item": ~RARE, "tail_user": True, "head_user": False},
                      index=range(N))  # fmt: skip


def drawn(share, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(N) < share, rng.integers(1, 11, N), rng.integers(11, 100, N)).astype(float)


@pytest.fixture(scope="module")
def ranks():
    shares = {BASE: np.full(N, 0.3), TAIL: np.where(RARE, 0.6, 0.3), HEAD: np.where(RARE, 0.3, 0.1)}
    full = {
        model: {seed: drawn(share, seed + 7 * len(model.method)) for seed in SEEDS} for model, share in shares.items()
    }
    return {"full": full, "full_masked": full, "neg100": full}


def test_results_hold_all_invariants_and_means_of_groups(ranks):
    table = long_tail.results(ranks, GROUPS, "yelp")
    assert invariants.violations(table).empty and "head_user" not in set(table.group), "an empty group has no mean"
    own = ranks["full"][TAIL][43][RARE]
    row = table.query("candidates == 'full' and method == 'alphafuse' and group == 'tail_item' and seed == 43")
    found = row[(row.metric == "ndcg") & (row.k == 10)].value.item()
    assert found == pytest.approx(sum(1 / np.log2(r + 1) for r in own if r <= 10) / len(own))
    # parts of the groups moved about break I3
    broken = table.assign(value=table.value.where((table.group != "tail_item") | (table.seed != 43), 0.0))
    assert not invariants.violations(broken).empty


def test_published_cells_are_among_drawn_negatives_and_under_their_loss(ranks):
    table = long_tail.results(ranks, GROUPS, "yelp")
    told = table.dropna(subset="published")
    assert set(told.candidates) == {"neg100"} and set(told.k) == {10} and set(told.metric) == {"hr", "ndcg"}
    row = told.query("method == 'identity' and group == 'tail_item' and metric == 'hr' and seed == 42")
    assert row.published.item() == 0.1142
    other = {kind: {model._replace(loss="softmax"): own for model, own in part.items()} for kind, part in ranks.items()}
    assert long_tail.results(other, GROUPS, "yelp").published.isna().all()
    assert long_tail.results(ranks, GROUPS, "movielens-100k").published.isna().all()


def test_who_gains_on_rare_items_alone_is_found_there(ranks):
    table = long_tail.against_base(ranks, GROUPS)
    judged = table[table.verdict.notna()]
    assert set(judged.candidates) == {"full_masked"} and set(judged.metric + "@" + judged.k.astype(str)) == {"ndcg@10"}
    verdicts = {(row.method, row.group): row.verdict for row in judged.itertuples()}
    assert verdicts["alphafuse", "tail_item"] == "better" and verdicts["alphafuse", "head_item"] == "inconclusive"
    assert verdicts["llm_esr", "head_item"] == "worse" and verdicts["llm_esr", "tail_item"] == "inconclusive"
    row = judged.query("method == 'alphafuse' and group == 'tail_item'").iloc[0]
    gain = [np.mean([(1 / np.log2(own[seed][RARE] + 1) * (own[seed][RARE] <= 10)).mean() for seed in SEEDS])
            for own in (ranks["full"][TAIL], ranks["full"][BASE])]  # fmt: skip
    assert row.difference == pytest.approx(gain[0] - gain[1]) and (row.seeds, row.base_seeds) == (3, 3)
    said = long_tail.counted(table)
    assert "tail item 1 better, 0 worse" in said and said.startswith("under bce, of 2 methods against Base: ")
    alike = {kind: {model: part[BASE] for model in part} for kind, part in ranks.items()}
    assert (
        long_tail.counted(long_tail.against_base(alike, GROUPS))
        == "under bce, of 2 methods none is told apart from Base"
    )


def test_the_figure_has_a_panel_for_each_group(ranks):
    figure = long_tail_figure(long_tail.against_base(ranks, GROUPS))
    assert [axes.get_title("left") for axes in figure.axes] == ["all", "tail items", "head items", "tail users"]
    assert len(figure.legends[0].get_texts()) == 1


def test_base_alone_has_nothing_to_be_compared_with(ranks):
    alone = {kind: {BASE: part[BASE]} for kind, part in ranks.items()}
    table = long_tail.against_base(alone, GROUPS)
    assert table.empty and long_tail.counted(table) == ""
    long_tail_figure(table)


def test_what_is_trained():
    wanted = long_tail.wanted("movielens-100k", "minilm", ["identity", "llm_esr"], ["bce"], [42], [42, 43], "quick")
    assert [(one.preset, one.method, one.seed) for one in wanted] == [
        ("llmesr", "identity", 42), ("llmesr", "identity", 43), ("llmesr", "llm_esr", 42),
    ]  # fmt: skip
    assert all(one.protocol.positions == "all" and not one.grid for one in wanted)
