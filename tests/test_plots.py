"""Figures: the same bytes twice, no trace in global settings, and the right things drawn."""

import io
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.colors import to_rgb
from PIL import Image

from lib import alignment, cases, plots, semantics


def png(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=60, metadata={"Software": None})
    return buffer.getvalue()


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    text = rng.normal(size=(300, 8))
    spaces = {"generative": rng.normal(size=(300, 4)), "base": text[:, :4], "contrastive": text}
    labels = semantics.clusters(text)
    mapped = {**spaces, "text": text}
    points = [
        pd.DataFrame({"space": name, "x": s[:, 0], "y": s[:, 1], "cluster": labels}) for name, s in mapped.items()
    ]
    return semantics.Dashboard(
        *semantics.alignment_trend(text, spaces),
        semantics.item_overlap(spaces, text, 100),
        semantics.item_overlap(spaces, text, 20),
        pd.concat(points),
        pd.DataFrame([{"space": name, **semantics.separation(s, labels)} for name, s in mapped.items()]),
    )


def histories():
    rows = [
        (backbone, alignment, seed, epoch, 0.1 * epoch / (3 + epoch) + 0.01 * seed if epoch % 3 == 0 else np.nan)
        for backbone in ("lightgcn", "gccf")
        for alignment in ("contrastive", "base")
        for seed in (0, 1)
        for epoch in range(31)
    ]
    return pd.DataFrame(rows, columns=["backbone", "alignment", "seed", "epoch", "recall@20"])


def ranking_table():
    rows = [
        (backbone, alignment, metric, 0.12 + 0.01 * place, 0.11 + 0.01 * place, 0.14 + 0.01 * place)
        for metric in ("recall@20", "ndcg@20", "recall@5")
        for place, (backbone, alignment) in enumerate(
            [("gccf", "base"), ("lightgcn", "base"), ("lightgcn", "generative")]
        )
    ]
    return pd.DataFrame(rows, columns=["backbone", "alignment", "metric", "mean", "ci_low", "ci_high"])


def overlap_table():
    rows = [
        ("lightgcn", alignment, vectors, "all", k, 0.05, 0.04, 0.06, 0.01)
        for alignment in ("base", "generative", "contrastive")
        for vectors in ("final", "ego")
        for k in (100, 20)
    ]
    names = ["backbone", "alignment", "vectors", "items", "neighbours", "mean_jaccard", "ci_low", "ci_high", "chance"]
    return pd.DataFrame(rows, columns=names)


INTERACTIONS = SimpleNamespace(train=sp.random(60, 80, 0.1, format="csr", random_state=0))
PROFILES = pd.DataFrame({"side": ["user"] * 3 + ["item"] * 2, "text": ["a b c", "a b", "a b c d", "a", "a b c d e f"]})
FIGURES = {
    "dashboard": lambda data: plots.dashboard(data, "movielens-100k, lightgcn"),
    "learning_curves": lambda _: plots.learning_curves(histories()),
    "ranking_bars": lambda _: plots.ranking_bars(ranking_table()),
    "overlap_bars": lambda _: plots.overlap_bars(overlap_table()),
    "degree_distribution": lambda _: plots.degree_distribution(INTERACTIONS),
    "profile_lengths": lambda _: plots.profile_lengths(PROFILES),
    "differences": lambda _: plots.differences(*comparisons()),
    "by_group": lambda _: plots.by_group(group_table(), "user", "test recall@20"),
    "references": lambda _: plots.references(reference_table()),
    "time_and_quality": lambda _: plots.time_and_quality(cost_table()),
    "overlap_gains": lambda _: plots.overlap_gains(*gains()),
    "overlap_changes": lambda _: plots.overlap_changes(CHANGES),
    "distant_pairs": lambda _: plots.distant_pairs(*distant()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_twice_and_leaves_no_trace(name, data):
    before = dict(matplotlib.rcParams)
    figure = FIGURES[name](data)
    first = png(figure)
    figure._repr_png_()
    assert png(figure) == first  # showing it in a notebook does not move anything
    with matplotlib.rc_context(
        {"font.size": 30, "ytick.labelsize": 2, "axes.facecolor": "red"}
    ):  # nor does it care for the user's settings
        assert png(FIGURES[name](data)) == first
    assert dict(matplotlib.rcParams) == before
    pixels = np.asarray(Image.open(io.BytesIO(first)).convert("L"))
    assert 0.02 < (pixels < 250).mean() < 0.6


def test_a_figure_fits_the_page_and_shows_in_notebooks(data):
    figure = plots.dashboard(data)
    assert figure.get_figwidth() == plots.PAGE
    image = Image.open(io.BytesIO(figure._repr_png_()))
    assert image.format == "PNG" and image.width == 720


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off(name, data):
    figure = FIGURES[name](data)
    with plots.theme():
        box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_pyplot_stays_out():
    code = "import sys, lib.plots; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_dashboard_draws_the_measured_values(data):
    figure = plots.dashboard(data)
    trend, distribution, histogram = figure.subfigs[0].axes
    slope = data.slopes.set_index("space").loc["base", "slope"]
    assert [text.split(":")[0] for text in texts(trend)] == ["base", "contrastive", "generative"]
    assert f"slope {slope:.2f}" in texts(trend)[0]
    base = data.trend[data.trend["space"] == "base"]
    np.testing.assert_allclose(trend.lines[0].get_xydata(), base[["text_cosine", "mean"]])
    curve = distribution.lines[0]
    np.testing.assert_allclose(curve.get_xdata(), np.sort(data.nearest_100["base"]))
    np.testing.assert_allclose(curve.get_ydata(), np.arange(300) / 299)  # rank / (count - 1)
    assert texts(distribution)[1] == "contrastive: mean 1.000"
    assert distribution.lines[-1].get_xdata()[0] == semantics.chance_overlap(300, 100)
    assert [step.get_data().values.sum() for step in histogram.patches] == [300] * 3


def test_histogram_has_one_bin_for_each_possible_value(data):
    edges = plots.dashboard(data).subfigs[0].axes[2].patches[0].get_data().edges
    possible = sorted({shared / (40 - shared) for shared in range(21)})
    assert (np.histogram(possible, edges)[0] == 1).all() and not np.isclose(possible, edges[:-1]).any()


def test_dashboard_maps_share_one_colouring(data):
    maps = plots.dashboard(data).subfigs[1].axes
    assert [axes.get_title("center") for axes in maps] == ["base", "contrastive", "generative", "text"]
    colours = [axes.collections[0].get_facecolors().tolist() for axes in maps]
    assert colours.count(colours[0]) == 4 and len({tuple(colour) for colour in colours[0]}) == 5
    assert [len(axes.collections[0].get_offsets()) for axes in maps] == [300] * 4
    row = data.separation.set_index("space").loc["text"]
    assert maps[3].get_xlabel() == f"silhouette {row.silhouette:.2f}, NMI 1.00"


def test_learning_curves_have_a_panel_per_backbone_and_mark_the_best_epoch():
    first, second = plots.learning_curves(histories()).axes
    assert [first.get_title("left"), second.get_title("left")] == ["gccf", "lightgcn"]
    assert first.get_ylabel() == "validation recall@20" and first.get_xlabel() == "epoch"
    lines = [line.get_xydata() for line in first.lines]
    assert [len(line) for line in lines] == [11, 2, 11, 2, 0] and len(first.collections) == 2
    best = 0.1 * 30 / 33
    np.testing.assert_allclose(lines[1], [[30, best], [30, best + 0.01]])  # one for each seed


def test_learning_curves_cross_the_points_of_public_runs():
    points = pd.DataFrame({"backbone": "gccf", "alignment": "base", "epoch": [3, 15], "public": [0.05, 0.07]})
    first, second = plots.learning_curves(histories(), public=points).axes
    assert first.collections[-1].get_offsets().tolist() == [[3, 0.05], [15, 0.07]]
    assert (len(first.collections), len(second.collections)) == (3, 2)


def test_ranking_bars_stand_beside_each_other_with_their_intervals():
    figure = plots.ranking_bars(ranking_table())
    recall, ndcg = figure.axes
    assert "recall@20" in recall.get_title("left") and "ndcg@20" in ndcg.get_title("left")
    assert [label.get_text() for label in recall.get_xticklabels()] == ["gccf", "lightgcn"]
    heights = [bar.get_height() for bar in recall.patches]
    assert heights == pytest.approx([0.12, 0.13, np.nan, 0.14], nan_ok=True)
    whiskers = np.concatenate(recall.collections[0].get_segments())
    np.testing.assert_allclose(whiskers[:2, 1], [0.11, 0.14])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["base", "generative"]


def test_overlap_bars_have_a_panel_per_setting_and_a_chance_line():
    figure = plots.overlap_bars(overlap_table())
    titles = [axes.get_title("left").split("\n")[0] for axes in figure.axes]
    assert titles == ["ego vectors, K = 20", "final vectors, K = 20", "ego vectors, K = 100", "final vectors, K = 100"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["chance", *plots.ALIGNMENTS]
    assert all(0.01 in line.get_ydata() for line in (axes.lines[-1] for axes in figure.axes))


def test_degrees_are_shares_of_users_and_items_with_at_least_as_many():
    (axes,) = plots.degree_distribution(INTERACTIONS).axes
    degrees = np.diff(INTERACTIONS.train.indptr)
    for x, y in axes.lines[0].get_xydata():
        assert y <= (degrees >= x).mean() + 1e-9  # ties stand in a column whose top is the share
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert texts(axes) == [
        f"60 users, median {np.median(degrees):g}",
        f"80 items, median {np.median(INTERACTIONS.train.getnnz(axis=0)):g}",
    ]


def test_profile_lengths_count_words():
    (axes,) = plots.profile_lengths(PROFILES).axes
    assert texts(axes) == ["3 users, median 3", "2 items, median 3.5"]
    assert [patch.get_data().values.sum() for patch in axes.patches] == pytest.approx([1, 1])


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("vision", VISION)
def test_alignments_differ_for_every_kind_of_colour_vision(vision):
    srgb = np.array([to_rgb(colour) for colour in plots.ALIGNMENTS.values()])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) @ np.transpose(VISION[vision])
    to_lms = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])  # Oklab
    to_lab = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
    lab = np.cbrt(linear.clip(0) @ to_lms.T) @ to_lab.T
    distances = [np.linalg.norm(lab[i] - lab[j]) for i in range(3) for j in range(i)]
    assert min(distances) > 0.08  # a just noticeable difference is about 0.02


def test_every_alignment_has_a_colour_and_colours_are_distinct():
    assert tuple(plots.ALIGNMENTS) == alignment.NAMES
    assert len(set(plots.ALIGNMENTS.values())) == len(plots.ALIGNMENTS)


# Analysis of the grid


def comparisons(n_seeds=3):
    rows = [
        (backbone, alignment, against, 0.01 * place, 0.01 * place - 0.004, 0.01 * place + 0.004, 0.002 + 0.001 * place)
        for place, backbone in enumerate(("sgl", "gccf"))
        for alignment in ("generative", "contrastive")
        for against in ("base", f"base@{alignment}")
    ]
    names = ["backbone", "alignment", "against", "difference", "ci_low", "ci_high", "base_sd"]
    tests = pd.DataFrame(rows, columns=names)
    seeds = [tests.assign(seed=seed, difference=tests["difference"] + 0.001 * seed) for seed in range(n_seeds)]
    return (tests if n_seeds > 1 else tests.assign(base_sd=np.nan)), pd.concat(seeds)


def group_table():
    rows = [
        (backbone, alignment, group, level - 0.1 * place, level - 0.1 * place - 0.02, level - 0.1 * place + 0.03)
        for backbone in ("lightgcn", "gccf")
        for alignment, level in (("contrastive", 0.4), ("base", 0.3))
        for place, group in enumerate(("1-3", "4-9", "10-80"))
    ]
    return pd.DataFrame(rows, columns=["backbone", "alignment", "group", "value", "ci_low", "ci_high"])


def reference_table():
    rows = [
        (model, metric, value, value - 0.01, value + 0.01, 0.07 if model == "text only" else np.nan)
        for metric in ("ndcg@20", "recall@20")
        for model, value in (("text only", 0.05), ("random", 0.02), ("gccf base", 0.3))
    ]
    return pd.DataFrame(rows, columns=["model", "metric", "mean", "ci_low", "ci_high", "published"])


def cost_table():
    rows = [
        (backbone, alignment, 0.1 * (1 + place), 20.0 * (1 + place), 0.2 + 0.01 * place)
        for place, (backbone, alignment) in enumerate(
            [("gccf", "generative"), ("gccf", "base"), ("dccf", "base"), ("dccf", "contrastive")]
        )
    ]
    return pd.DataFrame(rows, columns=["backbone", "alignment", "seconds_per_epoch", "seconds", "recall@20"])


def test_differences_have_a_panel_per_kind_of_base_with_intervals_rings_and_spread():
    figure = plots.differences(*comparisons())
    own, matched = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == ["against base", "against base with the same settings"]
    assert [label.get_text() for label in own.get_yticklabels()] == ["gccf", "sgl"] and own.yaxis_inverted()
    for axes in (own, matched):
        ends = np.sort(np.concatenate([lines.get_segments() for lines in axes.collections])[:, :, 0], axis=1)
        np.testing.assert_allclose(ends[np.lexsort(ends.T)], [[-0.004, 0.004]] * 2 + [[0.006, 0.014]] * 2, atol=1e-9)
        bars = sorted((bar.get_x(), bar.get_width()) for bar in axes.patches)
        assert bars == [pytest.approx((-0.003, 0.006))] * 2 + [pytest.approx((-0.002, 0.004))] * 2
        rings = np.concatenate([line.get_xdata() for line in axes.lines if line.get_fillstyle() == "none"])
        np.testing.assert_allclose(np.sort(rings), np.repeat([0, 0.001, 0.002, 0.01, 0.011, 0.012], 2))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(words) == {"contrastive", "generative", "one seed", "± one sd of base over seeds"}


def test_a_model_with_one_seed_has_no_ring_beside_others_that_have():
    tests, seeds = comparisons()
    alone = (seeds["backbone"] == "gccf") & (seeds["seed"] > 0)
    axes = plots.differences(tests, seeds[~alone]).axes[0]
    rings = np.concatenate([line.get_xdata() for line in axes.lines if line.get_fillstyle() == "none"])
    np.testing.assert_allclose(np.sort(rings), np.repeat([0, 0.001, 0.002], 2))  # sgl's


def test_differences_of_one_seed_show_users_only():
    tests, seeds = comparisons(1)
    figure = plots.differences(tests[tests["against"] == "base"], seeds)
    (axes,) = figure.axes
    assert figure.get_figwidth() == plots.PAGE and not axes.patches
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["contrastive", "generative"]


def test_by_group_draws_the_groups_in_order_with_their_intervals():
    figure = plots.by_group(group_table(), "user", "test recall@20")
    first, second = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == ["gccf", "lightgcn"]
    assert [label.get_text() for label in first.get_xticklabels()] == ["1–3", "4–9", "10–80"]
    assert first.get_xlabel() == second.get_xlabel() == "train interactions of the user"
    assert first.get_ylabel() == "test recall@20"
    base, contrastive = (container.lines for container in first.containers)
    np.testing.assert_allclose(base[0].get_xydata()[:, 1], [0.3, 0.2, 0.1])
    np.testing.assert_allclose([part[:, 1] for part in contrastive[2][0].get_segments()][0], [0.38, 0.43])
    assert len(first.lines) == 2 + 4  # two lines and their caps; a zero line only where values reach below it
    below = group_table().assign(ci_low=-0.1)
    assert len(plots.by_group(below, "item", "gain").axes[0].lines) == 3 + 4


def test_references_mark_the_papers_value():
    recall, ndcg = plots.references(reference_table()).axes
    assert "recall@20" in recall.get_title("left") and "ndcg@20" in ndcg.get_title("left")
    assert [label.get_text() for label in recall.get_yticklabels()] == ["text only", "random", "gccf base"]
    assert [bar.get_width() for bar in recall.patches] == [0.05, 0.02, 0.3]
    assert recall.patches[2].get_facecolor()[:3] == to_rgb(plots.ALIGNMENTS["base"])
    (cross,) = [line for line in recall.lines if line.get_marker() == "x"]
    np.testing.assert_allclose(cross.get_xdata(), [0.07, np.nan, np.nan])
    alone = plots.references(reference_table().assign(published=np.nan))
    assert not alone.legends and not [line for line in alone.axes[0].lines if line.get_marker() == "x"]


def test_time_and_quality_marks_each_cell_once():
    costs = cost_table()
    figure = plots.time_and_quality(costs)
    for axes, column in zip(figure.axes, ("seconds_per_epoch", "seconds"), strict=True):
        marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
        places = sorted((line.get_xdata()[0], line.get_ydata()[0], line.get_color()) for line in marks)
        colours = costs["alignment"].map(plots.ALIGNMENTS)
        assert places == sorted(zip(costs[column], costs["recall@20"], colours, strict=True))
        assert axes.get_xscale() == "log"
    assert len({line.get_marker() for line in marks}) == 2
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["base", "contrastive", "generative", "gccf", "dccf"]


def study_table():
    kinds, shares = ("base", "contrastive"), (0.0, 0.1, 0.5)
    rows = [(x, kind, metric, 0.3 - 0.1 * x + 0.01 * i) for x in shares for i, kind in enumerate(kinds) for metric in
            ("recall@20", "ndcg@20")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["noise", "alignment", "metric", "mean"])
    return table.assign(ci_low=table["mean"] - 0.01, ci_high=table["mean"] + 0.02)


def test_study_lines_draw_values_and_differences():
    table = study_table()
    gains = table[table["alignment"] != "base"].rename(columns={"mean": "difference"})
    figure = plots.study_lines(table, "noise", gains=gains)
    left, right = figure.axes
    base, contrastive = (container.lines for container in left.containers)
    np.testing.assert_allclose(base[0].get_xydata(), [[0, 0.3], [0.1, 0.29], [0.5, 0.25]])
    np.testing.assert_allclose(contrastive[2][0].get_segments()[0][:, 1], [0.30, 0.33])
    assert contrastive[0].get_color() == plots.ALIGNMENTS["contrastive"]
    assert len(right.containers) == 1 and left.get_xlabel() == right.get_xlabel() == "noise"
    assert len(plots.study_lines(table, "noise").axes) == 1


def test_study_gains_put_names_side_by_side():
    gains = study_table().rename(columns={"mean": "difference"})
    gains["encoder"] = gains["noise"].map({0.0: "minilm", 0.1: "minilm+shuffled", 0.5: "tfidf"})
    recall, ndcg = plots.study_gains(gains, "encoder").axes
    assert [label.get_text() for label in recall.get_xticklabels()] == ["minilm", "minilm+shuffled", "tfidf"]
    base, contrastive = (container.lines[0] for container in recall.containers)
    assert base.get_linestyle() == "None" and (base.get_xdata() < contrastive.get_xdata()).all()
    assert "recall@20" in recall.get_title("left") and "ndcg@20" in ndcg.get_title("left")


def test_sensitivity_rings_the_published_values():
    table = study_table().rename(columns={"noise": "value"}).assign(setting="weight")
    table["published"] = table["value"] == 0.1
    other = table.assign(setting="embedding_size", value=table["value"].map({0.0: 16, 0.1: 32, 0.5: 64}))
    table["value"] = table["value"].map({0.0: 0.001, 0.1: 0.01, 0.5: 0.1})
    weight, size = plots.sensitivity_lines(pd.concat([table, other])).axes
    assert weight.get_xscale() == "log" and size.get_xscale() == "linear"
    rings = np.asarray(weight.collections[-1].get_offsets(), float)
    np.testing.assert_allclose(rings, [[0.01, 0.29], [0.01, 0.30]])
    np.testing.assert_allclose(np.asarray(size.containers[0].lines[0].get_xdata(), float), [16, 32, 64])


# The report's table beside ours, and the case studies


def gains(dataset=None, factor=1.0):
    rows = [
        (backbone, alignment, vectors, items, k, gain * factor, gain * factor - 5, gain * factor + 5)
        for alignment, start in (("generative", 4.0), ("contrastive", 30.0), ("base", np.nan))
        for backbone, gain in (("lightgcn", start + 10), ("gccf", start))
        for vectors, items, k in (("ego", "first3000", 100), ("final", "all", 20))
    ]
    again = (("gccf", 5.0), ("lightgcn", -8.0))
    rows += [(name, semantics.AGAIN, "final", "all", 20, gain, gain, gain) for name, gain in again]
    columns = ["backbone", "alignment", "vectors", "items", "neighbours", "gain_pct", "gain_low", "gain_high"]
    report = [(name, "lightgcn", "contrastive", 50.0 + 10 * place) for place, name in enumerate(("amazon", "yelp"))]
    report = pd.DataFrame(report, columns=["dataset", "backbone", "alignment", "gain_pct"])
    return pd.DataFrame(rows, columns=columns), report if dataset is None else report[report["dataset"] == dataset]


CHANGES = pd.DataFrame({"base": 0.1, "generative": np.arange(50) / 50, "contrastive": 0.1}, index=range(50))


def distant():
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"user": range(40), "partner": range(40, 80)})
    values = {"cosine": rng.uniform(-0.5, 0.9, 40), "nearer": rng.uniform(0, 1, 40)}
    positions = pd.concat([pairs.assign(space=space, **values) for space in ("generative", "base", "contrastive")])
    summary = cases.pair_summary(positions, rng)
    return positions, summary, {"base": 0.1, "contrastive": 0.2, "generative": 0.3}


def test_gains_stand_beside_the_reports_at_the_ratio_to_base():
    figure = plots.overlap_gains(*gains())
    contrastive, generative = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == ["contrastive", "generative"]
    assert [label.get_text() for label in contrastive.get_yticklabels()] == ["gccf", "lightgcn"]
    marks = [line.get_xdata() for line in contrastive.lines if line.get_marker() in "os" and len(line.get_xdata())]
    np.testing.assert_allclose(marks, [[1.3, 1.4]] * 2)
    ends = np.concatenate([lines.get_segments() for lines in contrastive.collections])[:, :, 0]
    np.testing.assert_allclose(ends, [[1.25, 1.35], [1.35, 1.45]] * 2)
    report = [np.asarray(line.get_xdata())[1] for line in contrastive.lines if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose(report, [1.5, 1.6])
    assert not [line for line in generative.lines if line.get_markerfacecolor() == "white"]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:2] == ["the report, amazon", "the report, yelp"]
    assert words[2:4] == ["ours, ego, first 3,000 items, K = 100", "ours, final, all items, K = 20"]


def test_grey_bars_reach_as_far_as_two_base_runs_differ_at_most():
    (figure, words) = plots.overlap_gains(*gains()), "two runs of base differ so far"
    assert figure.legends[0].get_texts()[-1].get_text() == words
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[1].patches if bar.get_width() > 0]
    np.testing.assert_allclose(bars, [(1 / 1.08, 1.08)] * 2)
    table, report = gains()
    figure = plots.overlap_gains(table[table["alignment"] != semantics.AGAIN], report)
    assert words not in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("factor", [0.1, 1, 5, 30])
def test_ratio_axes_are_labelled_with_gains_that_keep_apart(factor):
    for axes in plots.overlap_gains(*gains("amazon", factor)).axes:
        labels = [label for label in axes.get_xticklabels() if axes.get_xlim()[0] <= label.get_position()[0]]
        for label in labels:
            gain = float(label.get_text().replace("\N{MINUS SIGN}", "-").rstrip("%"))
            assert gain == pytest.approx(100 * label.get_position()[0] - 100, abs=0.51)
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) >= 1 and all(a.x1 < b.x0 for a, b in zip(boxes[:-1], boxes[1:], strict=True))


def test_changes_are_sorted_and_their_ends_ringed():
    (axes,) = plots.overlap_changes(CHANGES).axes
    curves = {line.get_label().split(":")[0]: line for line in axes.lines if ":" in line.get_label()}
    assert list(curves) == ["contrastive", "generative"]
    np.testing.assert_allclose(curves["generative"].get_ydata(), np.arange(50) / 50 - 0.1)
    assert texts(axes)[1] == "generative: 88% rise, 10% fall, mean +0.3900"
    rings = [line.get_ydata() for line in axes.lines if line.get_fillstyle() == "none"]
    np.testing.assert_allclose(rings, [[0, 0, 0], [0.84, 0.86, 0.88]], atol=1e-9)


def test_distant_pairs_show_all_pairs_the_chosen_one_and_the_mean():
    positions, summary, far = distant()
    figure = plots.distant_pairs(positions, summary, far)
    for axes, measure in zip(figure.axes, ("cosine", "nearer"), strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == ["base", "contrastive", "generative"]
        values = positions.loc[positions["space"] == "base", measure]
        dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "."]
        np.testing.assert_allclose(dots, [values] * 3)
        stars = [line.get_ydata() for line in axes.lines if line.get_marker() == "*"]
        np.testing.assert_allclose(stars, [[values.iloc[0]]] * 3)
        means = [line.get_ydata() for line in axes.lines if line.get_marker() == "D"]
        np.testing.assert_allclose(np.array(means, dtype=float), [[values.mean()]] * 3)
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
        assert levels == ([0.1, 0.2, 0.3] if measure == "cosine" else [0.5] * 3)
    ends = [lines.get_segments()[0][:, 1] for lines in figure.axes[1].collections]
    rows = summary[summary["measure"] == "nearer"].set_index("space").loc["base"]
    np.testing.assert_allclose(ends[0], [rows["ci_low"], rows["ci_high"]])
