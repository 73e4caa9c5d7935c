"""The cold-start comparison from planted ranks: means, published cells, differences to Base, and what a loss leaves."""

import numpy as np
import pytest

from lib.core.errors import UserError
from lib.evaluation import invariants
from lib.papers.pte import cold_start
from lib.papers.pte.differences_figure import cold_start_figure
from lib.papers.pte.published import published
from lib.papers.pte.trained_models import Model

N, SEEDS = 400, (42, 43, 44)
SASREC = ["identity", "alphafuse", "morec", "rlmrec_align"]
# how likely a target is in the first ten: alphafuse is better under infonce alone, morec worse under both
HITS = {"infonce": [0.2, 0.45, 0.05, 0.2], "softmax": [0.45, 0.45, 0.1, 0.45]}


def drawn(share, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(N) < share, rng.integers(1, 11, N), rng.integers(11, 500, N)).astype(float)


def encoder_of(method):
    return "none" if method == "identity" else "minilm"


@pytest.fixture(scope="module")
def ranks():
    found = {
        Model("sasrec", method, loss, encoder_of(method)): {seed: drawn(share, seed) for seed in SEEDS}
        for loss, shares in HITS.items()
        for method, share in zip(SASREC, shares, strict=True)
    }
    found[Model("dreamrec", "identity", "diffusion", "none")] = {42: drawn(0.1, 7)}
    found[Model("dreamrec", "fixed_text", "diffusion", "minilm")] = {42: drawn(0.3, 8)}
    return found


def cell(table, **chosen):
    row = table[np.logical_and.reduce([table[name] == value for name, value in chosen.items()])]
    assert len(row) == 1
    return row.iloc[0]


# Results


def test_results_are_means_over_rows_and_pass_the_invariants(ranks):
    table = cold_start.results(ranks, "toys")
    expected = ["dataset", *Model._fields, "seed", "metric", "k", "value", "published", "comparable"]
    assert list(table) == expected and not invariants.violations(table).shape[0]
    own = ranks[Model("sasrec", "morec", "softmax", "minilm")][43]
    row = cell(table, method="morec", loss="softmax", seed=43, metric="ndcg", k=20)
    assert row.value == pytest.approx(sum(1 / np.log2(r + 1) for r in own if r <= 20) / N)
    broken = table.assign(value=table["value"].where(table["metric"] != "hr", 0))
    assert len(invariants.violations(broken))


def test_published_cells_stand_beside_the_loss_they_were_made_with(ranks):
    table = cold_start.results(ranks, "toys")
    base = cell(table, method="identity", loss="infonce", seed=42, metric="ndcg", k=10)
    assert base.published == 0.0255 and base.comparable
    assert not cold_start.results(ranks, "toys", "quick").comparable.any(), "trained for fewer epochs"
    other = cell(table, method="identity", loss="softmax", seed=42, metric="ndcg", k=10)
    assert np.isnan(other.published) and not other.comparable
    # what is published as a contrast has none, and text vectors are others
    align = cell(table, method="rlmrec_align", loss="infonce", seed=42, metric="mrr", k=20)
    assert align.published == 0.0195 and not align.comparable
    dream = cell(table, method="fixed_text", loss="diffusion", metric="ndcg", k=10)
    assert dream.published == 0.0350 and not dream.comparable
    assert not cell(table, backbone="dreamrec", method="identity", metric="ndcg", k=10).comparable, "of another width"
    assert cold_start.results(ranks, "movielens-100k")["published"].isna().all()


def test_every_published_method_but_pte_has_one_of_ours():
    ours = {(row.backbone, row.method) for row in cold_start.published_cells("toys").itertuples()}
    unmatched = {name for _, name in ours} - set(cold_start.kinds.names())
    assert unmatched == {"pte", "rlmrec"}, "rlmrec on DreamRec is Base"
    rows = published("cold_start").query("dataset == 'toys'").groupby(["backbone", "method"])
    assert len(ours) == rows.ngroups


def test_summary_is_over_seeds(ranks):
    table = cold_start.results(ranks, "toys")
    row = cell(cold_start.summary(table), method="alphafuse", loss="infonce", metric="mrr", k=10)
    values = table.query("method == 'alphafuse' and loss == 'infonce' and metric == 'mrr' and k == 10").value
    assert (row.seeds, row["mean"]) == (3, pytest.approx(values.mean()))
    assert row["sd"] == pytest.approx(np.std(values, ddof=1)) and row.published == 0.0287
    assert np.isnan(cell(cold_start.summary(table), method="fixed_text", metric="mrr", k=10)["sd"])


# Against Base


def test_planted_gains_are_found_within_their_loss(ranks):
    table = cold_start.against_base(ranks, "toys")
    primary = table[table.verdict.notna()]
    verdicts = {(row.loss, row.method): row.verdict for row in primary.itertuples()}
    assert verdicts["infonce", "alphafuse"] == "better" and verdicts["softmax", "alphafuse"] == "inconclusive"
    assert verdicts["infonce", "morec"] == verdicts["softmax", "morec"] == "worse"
    assert verdicts["infonce", "rlmrec_align"] == "inconclusive"
    row = cell(primary, method="alphafuse", loss="infonce")
    of = cold_start.results(ranks, "toys").query("metric == 'ndcg' and k == 10 and loss == 'infonce'")
    means = of.groupby("method").value.mean()
    assert row.difference == pytest.approx(means["alphafuse"] - means["identity"])
    assert row.published_difference == pytest.approx(0.0339 - 0.0255)
    assert row.ci_low < row.difference < row.ci_high and (row.seeds, row.base_seeds) == (3, 3)
    said = cold_start.counted(table)
    assert "sasrec under infonce: 1 of 3 methods are better than Base and 1 worse" in said
    assert "sasrec under softmax: 0 of 3 methods are better than Base and 1 worse" in said


def test_nothing_is_told_apart_without_further_seeds(ranks):
    one = {model: {42: by_seed[42]} for model, by_seed in ranks.items()}
    table = cold_start.against_base(one, "toys")
    assert set(table.verdict.dropna()) == {"inconclusive"}
    # further seeds of Base alone tell how far they move a number
    base = {model: by_seed for model, by_seed in ranks.items() if model.method == "identity"}
    table = cold_start.against_base(one | base, "toys")
    assert cell(table[table.verdict.notna()], method="alphafuse", loss="infonce").verdict == "better"


def test_losses_are_compared_method_by_method(ranks):
    table = cold_start.between_losses(ranks)
    assert sorted(table.method) == sorted(SASREC) and set(table.loss) == {"softmax"}
    assert cell(table, method="identity").verdict == "better"
    assert cell(table, method="alphafuse").verdict == "inconclusive"


def test_what_a_loss_leaves_of_a_gain(ranks):
    table = cold_start.against_base(ranks, "toys")
    left = cold_start.left_under(table).set_index("method")
    own = table[table.verdict.notna()].set_index(["loss", "method"]).relative
    gain = 100 * (0.0339 / 0.0255 - 1)
    row = left.loc["alphafuse"]
    assert row.published == pytest.approx(gain) and row.softmax == pytest.approx(100 * own["softmax", "alphafuse"])
    assert row.left_of_published == pytest.approx(100 * row.softmax / gain)
    assert row.left == pytest.approx(100 * row.softmax / row.infonce)
    assert left.loc["morec", ["left", "left_of_published"]].isna().all(), "what was no gain leaves none"
    elsewhere = cold_start.left_under(cold_start.against_base(ranks, "movielens-100k")).set_index("method")
    assert elsewhere["left_of_published"].isna().all() and (elsewhere["left"].dropna() == left["left"].dropna()).all()


def test_without_methods_there_is_nothing_to_compare(ranks):
    base = {model: by_seed for model, by_seed in ranks.items() if model.method == "identity"}
    assert cold_start.against_base(base, "toys").empty
    cold_start_figure(cold_start.against_base(base, "toys"))


def test_the_figure_shows_each_loss_and_published_differences(ranks):
    figure = cold_start_figure(cold_start.against_base(ranks, "toys"))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    expected = ["InfoNCE", "full softmax", "diffusion", "InfoNCE, published", "diffusion, published"]
    assert sorted(labels) == sorted(expected), "under softmax nothing is published"
    assert [axes.get_title("left") for axes in figure.axes] == ["SASRec", "DreamRec"]


# Trainings


def test_what_is_trained():
    wanted = cold_start.wanted(
        "toys", "minilm", ["identity", "llm_esr"], ["infonce", "softmax"], ["fixed_text"], [42], [42, 43], "paper"
    )
    names = [(one.backbone, one.method, one.loss, one.text_encoder, one.seed) for one in wanted]
    assert names == [
        ("sasrec", "identity", "infonce", "none", 42),
        ("sasrec", "identity", "infonce", "none", 43),
        ("sasrec", "llm_esr", "infonce", "minilm", 42),
        ("sasrec", "identity", "softmax", "none", 42),
        ("sasrec", "identity", "softmax", "none", 43),
        ("sasrec", "llm_esr", "softmax", "minilm", 42),
        ("dreamrec", "fixed_text", "diffusion", "minilm", 42),
    ]
    assert not any(one.grid for one in wanted) and len({one.folder for one in wanted}) == len(wanted)
    with pytest.raises(UserError, match="rlmrec_gen is one of sasrec and not of dreamrec"):
        cold_start.wanted("toys", "minilm", [], [], ["rlmrec_gen"], [42], [], "paper")
