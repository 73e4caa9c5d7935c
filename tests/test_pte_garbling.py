"""Maps from one table of vectors to another and ISI, on tables whose relation is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import r2_score

from lib.core.errors import UserError
from lib.papers.pte.dominance import garbling, sufficiency
from lib.papers.pte.dominance.figures import isi_heat_maps
from lib.papers.pte.dominance.resampling import over_units, weighted_mean, with_interval
from lib.papers.pte.published import published

N = 400


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture(scope="module")
def wide():
    return normal(N, 16)


@pytest.fixture(scope="module")
def table(wide):
    """`part` is three directions of `wide` with a little noise; `other` has nothing to do with either."""
    turned, _ = np.linalg.qr(normal(3, 3, seed=1))
    part = wide[:, :3] @ turned + 0.1 * normal(N, 3, seed=2)
    tables = {"wide": wide, "part": part, "other": normal(N, 12, seed=3)}
    return garbling.garbling_table(tables, maps=("ridge", "knn"), draws=200)


def cell(table, source, target, measure, sample="held_out", estimator="ridge", pairing="true"):
    keys = {"source": source, "target": target, "pairing": pairing}
    keys |= {"estimator": estimator, "measure": measure, "sample": sample}
    (value,) = table.loc[(table[list(keys)] == pd.Series(keys)).all(axis=1), "value"]
    return value


def isi(table, source, target, **keys):
    return cell(table, source, target, "isi", estimator="gaussian", **keys)


# What tables say of each other


def test_a_part_is_told_by_the_whole_and_not_the_other_way_round(table):
    # 0.99 is the truth one way; the covariance shrinks towards no relation at all, so that is never reached
    assert isi(table, "wide", "part") > 0.75 and isi(table, "part", "wide") < 0.4
    assert cell(table, "wide", "part", "r2") > 0.95
    assert cell(table, "part", "wide", "r2") == pytest.approx(3 / 16, abs=0.05)
    assert cell(table, "wide", "part", "retrieval@1") > 0.7 > 0.2 > cell(table, "part", "wide", "retrieval@1")


def test_independent_tables_and_broken_pairings_say_nothing(table):
    for source, target, pairing in (
        ("other", "wide", "true"), ("wide", "other", "true"), ("wide", "part", "permuted"), ("wide", "part", "random"),
    ):  # fmt: skip
        assert isi(table, source, target, pairing=pairing) < 0.05
        assert abs(cell(table, source, target, "r2", pairing=pairing)) < 0.1
        assert cell(table, source, target, "retrieval@1", pairing=pairing) < 0.06


def test_on_the_items_of_the_fit_anything_tells_everything(table):
    """Why held-out items are needed: neighbours repeat what they have seen, of a source that has no meaning."""
    assert cell(table, "other", "wide", "r2", sample="in", estimator="knn") == pytest.approx(1)
    assert cell(table, "other", "wide", "retrieval@1", sample="in", estimator="knn") == 1
    assert cell(table, "other", "wide", "r2", estimator="knn") < 0
    random = normal(N, 300, seed=4)  # wider than there are items in the fit
    found = garbling.garbling_table({"random": random, "part": random[:, :2] ** 2}, maps=(), draws=10)
    assert cell(found, "random", "part", "isi", "in", "closed form, unshrunk") == pytest.approx(1)
    assert isi(found, "random", "part") < 0.05


def test_a_table_tells_itself(table):
    assert cell(table, "wide", "wide", "r2") > 0.999 and cell(table, "wide", "wide", "retrieval@1") == 1
    assert cell(table, "wide", "wide", "isi", "in", "closed form, unshrunk") > 0.999
    assert table.query("source == target")["pairing"].eq("true").all()


def test_a_scrambled_relabelling_is_equivalent_but_cannot_be_guessed(wide):
    """Each table names the item, so each is computed from the other by looking it up; unseen items show no rule."""
    scrambled = wide[np.random.default_rng(5).permutation(N)]
    assert len(np.unique(wide, axis=0)) == len(np.unique(scrambled, axis=0)) == N
    found = garbling.garbling_table({"U": wide, "V": scrambled}, maps=("ridge", "knn"), pairings=("true",), draws=10)
    for source, target in (("U", "V"), ("V", "U")):
        assert cell(found, source, target, "r2") == pytest.approx(0, abs=0.05)
        assert cell(found, source, target, "r2", "in", "knn") == pytest.approx(1)
        assert cell(found, source, target, "r2", estimator="knn") < 0.05
        assert isi(found, source, target) < 0.05


def test_two_layers_follow_what_is_not_linear():
    u = normal(800, 2)
    v = np.column_stack([u[:, 0] * u[:, 1], u[:, 0] ** 2 - 1])
    found = garbling.garbling_table({"U": u, "V": v}, maps=("ridge", "mlp"), pairings=("true",), draws=10)
    assert found["estimator"].nunique() == 5
    assert cell(found, "U", "V", "r2", estimator="mlp") > 0.8 > 0.2 > cell(found, "U", "V", "r2")


# Measures against other ways to compute them


def test_r2_and_retrieval_are_those_of_a_loop():
    guess, v = normal(30, 4), normal(30, 4, seed=1)
    guess += v
    found = garbling._of_guess(guess, v, v.mean(0))
    ones = np.ones((1, 30))
    assert found["r2"](ones)[0] == pytest.approx(r2_score(v, guess, multioutput="variance_weighted"))
    centred, guessed = v - v.mean(0), guess - v.mean(0)
    hits = []
    for row, own in enumerate(guessed):
        cosines = [own @ other / np.linalg.norm(own) / np.linalg.norm(other) for other in centred]
        hits.append(np.argmax(cosines) == row)
    assert 0 < np.mean(hits) < 1 and found["retrieval@1"](ones)[0] == pytest.approx(np.mean(hits))
    twins = np.repeat(v[:1], 2, axis=0)
    assert garbling.found_first(twins, twins).tolist() == [0, 0], "a tie is a miss"


def test_the_closed_form_is_that_of_a_known_covariance():
    """Three independent pairs with correlation rho: 1 - prod(1 - rho^2)^(1/3), which log ratios come to on average."""
    rho = np.array([0.9, 0.5, 0.0])
    covariance = np.block([[np.eye(3), np.diag(rho)], [np.diag(rho), np.eye(3)]])
    information = sufficiency.closed_form_information(covariance, 3)
    assert information == pytest.approx(-0.5 * np.log(1 - rho**2).sum())
    truth = 1 - np.prod(1 - rho**2) ** (1 / 3)
    assert sufficiency.isi(information, 3) == pytest.approx(truth)
    both = np.random.default_rng(0).multivariate_normal(np.zeros(6), covariance, size=20000)
    joint = sufficiency.JointGaussian(both[:10000, :3], both[:10000, 3:])
    ratios = joint.log_ratios(both[10000:, :3], both[10000:, 3:])
    assert sufficiency.isi(ratios.mean(), 3) == pytest.approx(truth, abs=0.02)
    assert list(joint.closed_forms.values()) == pytest.approx([truth, truth], abs=0.02)
    assert sufficiency.isi(-1.0, 3) == 0


def test_log_ratios_are_those_of_scipy():
    u, v = normal(60, 3), normal(60, 2, seed=1)
    v += u[:, :2]
    joint = sufficiency.JointGaussian(u, v)
    x, y = joint.source(u), joint.target(v)
    whole, of_u, of_v = joint.covariance, joint.covariance[:3, :3], joint.covariance[3:, 3:]
    expected = [
        multivariate_normal.logpdf(np.hstack([x, y]), np.zeros(5), whole)
        - multivariate_normal.logpdf(x, np.zeros(3), of_u)
        - multivariate_normal.logpdf(y, np.zeros(2), of_v)
    ]
    assert joint.log_ratios(u, v) == pytest.approx(expected[0])
    assert np.cov(y.T, bias=True) == pytest.approx(np.eye(2)), "principal components with variance 1"


def test_unshrunk_information_does_not_depend_on_the_basis():
    u, v = normal(80, 4), normal(80, 3, seed=1)
    v += u[:, :3]
    u, v = u - u.mean(0), v - v.mean(0)
    moved = sufficiency.sample_information(u @ normal(4, 4, seed=2), v @ normal(3, 3, seed=3))
    assert moved == pytest.approx(sufficiency.sample_information(u, v))
    covariance = np.cov(np.hstack([u, v]).T)
    assert moved == pytest.approx(sufficiency.closed_form_information(covariance, 4))


def test_components_that_are_none_are_left_out():
    flat = np.hstack([normal(50, 2), np.ones((50, 2))])
    assert sufficiency.principal(flat).axes.shape == (4, 2)
    assert sufficiency.JointGaussian(normal(50, 3, seed=1), flat).width == 2


# Intervals and input


def test_intervals_cover_the_truth():
    """95% intervals over units with several rows each, in simulated data: rows of a unit are drawn together."""
    rng, units = np.random.default_rng(0), np.repeat(np.arange(40), 5)
    held = 0
    for _ in range(200):
        values = rng.normal(size=40)[units] + 0.5 * rng.normal(size=200)
        found = with_interval(over_units(units, weighted_mean(values), rng, 200))
        assert found["value"] == pytest.approx(values.mean())
        held += found["ci_low"] <= 0 <= found["ci_high"]
    assert 0.89 < held / 200 < 0.99


def test_every_value_lies_in_its_interval(table):
    rows = table[~table["estimator"].str.startswith("closed")]
    assert rows["ci_low"].notna().all() and table["value"].notna().all()
    assert ((rows["ci_low"] <= rows["value"]) & (rows["value"] <= rows["ci_high"])).mean() > 0.95
    assert not table.duplicated(garbling.COLUMNS[:6]).any()


def test_the_same_seed_gives_the_same_table(wide):
    tables = {"U": wide[:60], "V": wide[:60, :2]}
    first, second = (garbling.garbling_table(tables, maps=("mlp",), draws=10, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_broken_input_is_one_sentence(wide):
    with pytest.raises(UserError, match="different lengths"):
        garbling.garbling_table({"U": wide, "V": wide[1:]})
    with pytest.raises(UserError, match="'V' holds more than finite vectors"):
        garbling.garbling_table({"U": wide, "V": np.full((N, 2), np.nan)})
    with pytest.raises(UserError, match="10 items are too few"):
        garbling.garbling_table({"U": wide[:10]})
    with pytest.raises(UserError, match="unknown map 'rigde': did you mean 'ridge'"):
        garbling.garbling_table({"U": wide}, maps=("rigde",))
    with pytest.raises(UserError, match="unknown pairing"):
        garbling.garbling_table({"U": wide, "V": wide}, pairings=("shuffled",))


def test_the_published_figure_stands_beside_ours(table):
    cells = published("isi")
    assert len(cells) == 9 and cells.query("source == target")["value"].eq(1).all()
    theirs = cells.pivot(index="source", columns="target", values="value")
    assert theirs.loc["Fusion", "LLM"] == 0.8428 and theirs.loc["SASRec", "LLM"] == 0.0044
    ours = garbling.isi_matrix(table, "held_out")
    assert ours.loc["part", "wide"] == isi(table, "part", "wide") and list(ours) == ["wide", "part", "other"]
    figure = isi_heat_maps({"published": theirs, "held out": ours})
    assert [text.get_text() for text in figure.axes[1].texts][1] == f"{ours.iloc[0, 1]:.2f}"
