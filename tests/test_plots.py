"""Figures: the same bytes twice, no trace in global settings, and the right things drawn."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import drawn
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.colors import to_rgb
from PIL import Image

from lib.analysis import distant_users, item_maps, text_overlap, trend
from lib.core.names import ALIGNMENTS
from lib.evaluation.verdicts.against_base import again, is_again
from lib.papers.report.dashboard import Dashboard
from lib.papers.report.dashboard_figure import dashboard
from lib.results.plots import data, forest, overlap, ranking, studies, theme


def png(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=60, metadata={"Software": None})
    return buffer.getvalue()


@pytest.fixture(scope="module")
def board():
    rng = np.random.default_rng(0)
    text = rng.normal(size=(300, 8))
    spaces = {"generative": rng.normal(size=(300, 4)), "base": text[:, :4], "contrastive": text}
    labels = item_maps.clusters(text)
    mapped = {**spaces, "text": text}
    points = [
        pd.DataFrame({"space": name, "x": s[:, 0], "y": s[:, 1], "cluster": labels}) for name, s in mapped.items()
    ]
    return Dashboard(
        *trend.alignment_trend(text, spaces),
        text_overlap.item_overlap(spaces, text, 100),
        text_overlap.item_overlap(spaces, text, 20),
        pd.concat(points),
        pd.DataFrame([{"space": name, **item_maps.separation(s, labels)} for name, s in mapped.items()]),
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
    "dashboard": lambda board: dashboard(board, "movielens-100k, lightgcn"),
    "learning_curves": lambda _: ranking.learning_curves(histories()),
    "ranking_bars": lambda _: ranking.ranking_bars(ranking_table()),
    "overlap_bars": lambda _: overlap.overlap_bars(overlap_table()),
    "degree_distribution": lambda _: data.degree_distribution(INTERACTIONS),
    "profile_lengths": lambda _: data.profile_lengths(PROFILES),
    "forest": lambda _: forest.forest(*comparisons()),
    "by_group": lambda _: ranking.by_group(group_table(), "user", "test recall@20"),
    "references": lambda _: ranking.references(reference_table()),
    "time_and_quality": lambda _: ranking.time_and_quality(cost_table()),
    "overlap_gains": lambda _: overlap.overlap_gains(*gains()),
    "overlap_changes": lambda _: overlap.overlap_changes(CHANGES),
    "distant_pairs": lambda _: overlap.distant_pairs(*distant()),
    "study_lines": lambda _: studies.study_lines(study_table(), "noise"),
    "sensitivity_lines": lambda _: studies.sensitivity_lines(sensitivity_table()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_twice_and_leaves_no_trace(name, board):
    before = dict(matplotlib.rcParams)
    figure = FIGURES[name](board)
    first = png(figure)
    figure._repr_png_()
    assert png(figure) == first  # showing it in a notebook does not move anything
    with matplotlib.rc_context(
        {"font.size": 30, "ytick.labelsize": 2, "axes.facecolor": "red"}
    ):  # nor does it care for the user's settings
        assert png(FIGURES[name](board)) == first
    assert dict(matplotlib.rcParams) == before
    pixels = np.asarray(Image.open(io.BytesIO(first)).convert("L"))
    assert 0.02 < (pixels < 250).mean() < 0.6


def test_a_figure_fits_the_page_and_shows_in_notebooks(board):
    figure = dashboard(board)
    assert figure.get_figwidth() == theme.PAGE
    image = Image.open(io.BytesIO(figure._repr_png_()))
    assert image.format == "PNG" and image.width == 720


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off(name, board):
    figure = FIGURES[name](board)
    with theme.theme():
        box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_neither_pyplot_nor_seaborn_is_loaded_before_something_is_drawn():
    code = "import sys, lib.results.plots; print({'matplotlib.pyplot', 'seaborn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_drawing_leaves_the_way_notebooks_show_figures_alone():
    code = "import sys, test_plots as t; t.FIGURES['profile_lengths'](None); t.FIGURES['learning_curves'](None)\n"
    code += "print('seaborn' in sys.modules, 'matplotlib_inline.backend_inline' in sys.modules)"
    # what a kernel sets: once loaded, that backend would show figures in its own way and without their theme
    kernel = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    kernel["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=kernel)
    assert ran.stdout == "True False\n", ran.stderr


# The report's figure 2


def test_dashboard_draws_the_measured_values(board):
    trend = drawn.panel(dashboard(board), "Alignment trend")
    slope = board.slopes.set_index("space").loc["base", "slope"]
    assert [text.split(":")[0] for text in drawn.legend(trend)] == ["base", "contrastive", "generative"]
    assert f"slope {slope:.2f}" in drawn.legend(trend)[0]
    base = board.trend[(board.trend["space"] == "base") & (board.trend["bins"] == "report")]
    np.testing.assert_allclose(drawn.points(trend, "base"), base[["text_cosine", "mean"]])
    interval = base[["text_cosine", "ci_low", "ci_high"]]
    np.testing.assert_allclose(drawn.band(trend, "base, interval"), interval)


def test_dashboard_has_the_share_of_items_with_at_most_so_much_overlap(board):
    distribution = drawn.panel(dashboard(board), "K = 100, 300 items")
    x, share = drawn.points(distribution, "base")[1:].T  # the first stands at minus infinity
    np.testing.assert_allclose(x, np.sort(board.nearest_100["base"]))
    np.testing.assert_allclose(share, np.arange(1, 301) / 300)
    assert drawn.legend(distribution)[1] == "contrastive: mean 1.000"
    (chance,) = (line.get_xdata()[0] for line in distribution.lines if line.get_linestyle() == ":")
    assert chance == text_overlap.chance_overlap(300, 100)


def test_histogram_has_one_bin_for_each_possible_value(board):
    histogram = drawn.panel(dashboard(board), "K = 20, 300 items")
    edges, counts = drawn.points(histogram, "generative").T
    possible = sorted({shared / (40 - shared) for shared in range(21)})
    assert (np.histogram(possible, edges)[0] == 1).all() and not np.isclose(possible, edges[:-1]).any()
    values = board.nearest_20["generative"].round(9).value_counts()
    np.testing.assert_allclose(counts[:-1], values.reindex(np.round(possible, 9), fill_value=0))


def test_dashboard_maps_share_one_colouring(board):
    figure = dashboard(board)
    assert drawn.titles(figure)[3:] == ["base", "contrastive", "generative", "text"]
    maps = [drawn.named(drawn.panel(figure, name), "items")[0] for name in drawn.titles(figure)[3:]]
    colours = [dots.get_facecolors().tolist() for dots in maps]
    assert colours.count(colours[0]) == 4 and len({tuple(colour) for colour in colours[0]}) == 5
    for name, dots in zip(drawn.titles(figure)[3:], maps, strict=True):
        np.testing.assert_allclose(dots.get_offsets(), board.points.loc[board.points["space"] == name, ["x", "y"]])
    row = board.separation.set_index("space").loc["text"]
    assert drawn.panel(figure, "text").get_xlabel() == f"silhouette {row.silhouette:.2f}, NMI 1.00"


# Ranking


def test_learning_curves_have_a_panel_per_backbone_and_mark_the_best_epoch():
    figure = ranking.learning_curves(histories())
    assert drawn.titles(figure) == ["gccf", "lightgcn"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["validation recall@20", ""]
    gccf = drawn.panel(figure, "gccf")
    assert gccf.get_xlabel() == "epoch" and drawn.legend(figure) == ["base", "contrastive", "weights used"]
    epochs = np.arange(0, 31, 3)
    low = 0.1 * epochs / (3 + epochs)
    for name in ("base", "contrastive"):
        np.testing.assert_allclose(drawn.points(gccf, name), np.stack([epochs, low + 0.005], 1))
        np.testing.assert_allclose(drawn.band(gccf, f"{name}, all seeds"), np.stack([epochs, low, low + 0.01], 1))
        best = low[-1]
        np.testing.assert_allclose(drawn.points(gccf, f"{name}, best"), [[30, best], [30, best + 0.01]])


def test_the_best_epoch_is_each_runs_own_however_runs_are_numbered():
    runs = [histories().query(f"seed == {seed}").reset_index(drop=True) for seed in (0, 1)]
    runs[1].loc[runs[1]["epoch"] > 15, "recall@20"] /= 2
    gccf = drawn.panel(ranking.learning_curves(pd.concat(runs)), "gccf")
    np.testing.assert_allclose(drawn.points(gccf, "base, best")[:, 0], [15, 30])


def test_learning_curves_cross_the_points_of_public_runs():
    points = pd.DataFrame({"backbone": "gccf", "alignment": "base", "epoch": [3, 15], "public": [0.05, 0.07]})
    figure = ranking.learning_curves(histories(), public=points)
    assert drawn.points(drawn.panel(figure, "gccf"), "public run").tolist() == [[3, 0.05], [15, 0.07]]
    assert not len(drawn.points(drawn.panel(figure, "lightgcn"), "public run"))


def test_ranking_bars_stand_beside_each_other_with_their_intervals():
    figure = ranking.ranking_bars(ranking_table())
    assert [title.split(",")[0] for title in drawn.titles(figure)] == ["test recall@20", "test ndcg@20"]
    recall = drawn.panel(figure, "recall@20")
    assert drawn.ticks(recall.xaxis) == ["gccf", "lightgcn"]
    np.testing.assert_allclose(drawn.bars(recall, "base"), [[0, 0.12], [0, 0.13]])
    np.testing.assert_allclose(drawn.bars(recall, "generative"), [[0, np.nan], [0, 0.14]])
    np.testing.assert_allclose(drawn.intervals(recall, "base"), [[0.11, 0.14], [0.12, 0.15]])
    assert drawn.legend(figure) == ["base", "generative"]


# Overlap and data


def test_overlap_bars_have_a_panel_per_setting_and_a_chance_line():
    figure = overlap.overlap_bars(overlap_table())
    titles = [title.split("\n")[0] for title in drawn.titles(figure)]
    assert titles == ["ego vectors, K = 20", "final vectors, K = 20", "ego vectors, K = 100", "final vectors, K = 100"]
    assert drawn.legend(figure) == ["chance", *ALIGNMENTS]
    for title in titles:
        axes = drawn.panel(figure, f"{title}\nall items")
        assert drawn.points(axes, "chance")[:, 1].tolist() == [0.01, 0.01]
        assert drawn.bars(axes, "generative").tolist() == [[0, 0.05]]
        np.testing.assert_allclose(drawn.intervals(axes, "generative"), [[0.04, 0.06]])


def test_degrees_are_shares_of_users_and_items_with_at_least_as_many():
    (axes,) = data.degree_distribution(INTERACTIONS).axes
    degrees = {"users": np.diff(INTERACTIONS.train.indptr), "items": INTERACTIONS.train.getnnz(axis=0)}
    labels = [f"{len(values)} {side}, median {np.median(values):g}" for side, values in degrees.items()]
    assert drawn.legend(axes) == labels and axes.get_xscale() == axes.get_yscale() == "log"
    for label, values in zip(labels, degrees.values(), strict=True):
        x, share = drawn.points(axes, label).T
        for degree in range(1, values.max() + 1):
            height = share[x < degree][-1]  # of the step that ends at this degree
            assert height == pytest.approx((values >= degree).mean())


def test_profile_lengths_count_words():
    (axes,) = data.profile_lengths(PROFILES).axes
    assert drawn.legend(axes) == ["3 users, median 3", "2 items, median 3.5"]
    x, share = drawn.points(axes, "3 users, median 3").T
    assert share[:-1].sum() == pytest.approx(1)
    for words, expected in ((1, 0), (2, 1 / 3), (4, 1 / 3), (5, 0)):
        assert share[x <= words][-1] == pytest.approx(expected)


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("vision", VISION)
def test_alignments_differ_for_every_kind_of_colour_vision(vision):
    srgb = np.array([to_rgb(colour) for colour in map(theme.colour_of, ALIGNMENTS)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) @ np.transpose(VISION[vision])
    to_lms = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])  # Oklab
    to_lab = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
    lab = np.cbrt(linear.clip(0) @ to_lms.T) @ to_lab.T
    distances = [np.linalg.norm(lab[i] - lab[j]) for i in range(3) for j in range(i)]
    assert min(distances) > 0.08  # a just noticeable difference is about 0.02


def test_every_alignment_has_a_colour_of_its_own():
    assert set(ALIGNMENTS) < set(theme.COLOURS) and len(set(theme.COLOURS.values())) == len(theme.COLOURS)


# Analysis of the grid


def comparisons() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two backbones, one of them told apart, against both kinds of base; and the means over them."""
    rows = [
        (backbone, alignment, against, change * (1 if "@" in against else 0.5), verdict)
        for backbone, change, verdict in (("sgl", -0.01, "inconclusive"), ("gccf", 0.005, "better"))
        for alignment in ("generative", "contrastive")
        for against in ("base", f"base@{alignment}")
    ]
    tests = pd.DataFrame(rows, columns=["backbone", "alignment", "against", "difference", "verdict"])
    tests = tests.assign(base=0.1, ci_low=tests["difference"] - 0.004, ci_high=tests["difference"] + 0.004)
    names = [(alignment, kind) for alignment in ("generative", "contrastive") for kind in ("base", "matched base")]
    means = pd.DataFrame(names, columns=["alignment", "against"])
    return tests, means.assign(difference=-0.01, ci_low=-0.03, ci_high=0.01)


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


def test_a_forest_has_a_panel_per_alignment_with_intervals_and_means():
    figure = forest.forest(*comparisons())
    assert drawn.titles(figure) == ["contrastive alignment", "generative alignment"]
    panel = drawn.panel(figure, "contrastive alignment")
    assert drawn.ticks(panel.yaxis) == ["gccf", "sgl", "mean"] and panel.yaxis_inverted()
    fair, published = (marks.get_offsets() for marks in drawn.named(panel, "backbones"))
    np.testing.assert_allclose(fair[:, 0], [-10, 5])  # in percent of base
    np.testing.assert_allclose(published[:, 0], [-5, 2.5])
    assert (fair[:, 1] < published[:, 1]).all()  # the fair comparison stands above
    hollow, filled = drawn.named(panel, "backbones")[0].get_facecolors()
    assert hollow[:3].tolist() == [1, 1, 1] and filled[:3].tolist() != [1, 1, 1]
    diamonds = [shape.get_xy()[:, 0] for shape in panel.patches if shape.get_gid() == "mean"]
    ends = [(places.min(), places.max()) for places in diamonds]
    np.testing.assert_allclose(ends, [(-3, 1), (-3, 1)])
    assert panel.get_xlim() == drawn.panel(figure, "generative alignment").get_xlim()
    words = {"against base with the same settings", "against base as published", "hollow: inconclusive"}
    assert set(drawn.legend(figure)) == words


def test_by_group_draws_the_groups_in_order_with_their_intervals():
    figure = ranking.by_group(group_table(), "user", "test recall@20")
    assert drawn.titles(figure) == ["gccf", "lightgcn"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["train interactions of the user"] * 2
    gccf = drawn.panel(figure, "gccf")
    assert drawn.ticks(gccf.xaxis) == ["1–3", "4–9", "10–80"] and gccf.get_ylabel() == "test recall@20"
    np.testing.assert_allclose(drawn.points(gccf, "base")[:, 1], [0.3, 0.2, 0.1])
    np.testing.assert_allclose(drawn.intervals(gccf, "contrastive"), [[0.38, 0.43], [0.28, 0.33], [0.18, 0.23]])
    assert not drawn.named(gccf, "zero")
    below = ranking.by_group(group_table().assign(ci_low=-0.1), "item", "gain")
    assert drawn.points(drawn.panel(below, "gccf"), "zero")[:, 1].tolist() == [0, 0]


def test_references_mark_the_papers_value():
    figure = ranking.references(reference_table())
    assert [title.split(",")[0] for title in drawn.titles(figure)] == ["test recall@20", "test ndcg@20"]
    recall = drawn.panel(figure, "recall@20")
    assert drawn.ticks(recall.yaxis) == ["text only", "random", "gccf base"]
    np.testing.assert_allclose(drawn.bars(recall, "ours"), [[0, 0.05], [0, 0.02], [0, 0.3]])
    np.testing.assert_allclose(drawn.intervals(recall, "ours"), [[0.04, 0.06], [0.01, 0.03], [0.29, 0.31]])
    colours = [bar.get_facecolor()[:3] for bar in drawn.named(recall, "ours")[0]]
    assert colours == [to_rgb(theme.GREY)] * 2 + [to_rgb(theme.COLOURS["base"])]
    crosses = drawn.points(recall, "the paper")
    assert crosses[np.isfinite(crosses[:, 0])].tolist() == [[0.07, 0]]
    alone = ranking.references(reference_table().assign(published=np.nan))
    assert not alone.legends and not drawn.named(drawn.panel(alone, "recall@20"), "the paper")


def test_time_and_quality_marks_each_cell_once():
    costs = cost_table()
    figure = ranking.time_and_quality(costs)
    markers = set()
    for column, label in (("seconds_per_epoch", "seconds per epoch"), ("seconds", "seconds of all epochs")):
        axes = drawn.panel(figure, label)
        assert axes.get_xscale() == "log"
        for row in costs.to_dict("records"):
            (mark,) = drawn.named(axes, f"{row['backbone']} {row['alignment']}")
            assert mark.get_xydata().tolist() == [[row[column], row["recall@20"]]]
            assert mark.get_color() == theme.colour_of(row["alignment"])
            markers.add((row["backbone"], mark.get_marker()))
    assert len(markers) == 2
    assert drawn.legend(figure) == ["base", "contrastive", "generative", "gccf", "dccf"]


# Studies


def study_table():
    kinds, shares = ("base", "contrastive"), (0.0, 0.1, 0.5)
    rows = [(x, kind, metric, 0.3 - 0.1 * x + 0.01 * i) for x in shares for i, kind in enumerate(kinds) for metric in
            ("recall@20", "ndcg@20")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["noise", "alignment", "metric", "mean"])
    return table.assign(ci_low=table["mean"] - 0.01, ci_high=table["mean"] + 0.02)


def sensitivity_table():
    table = study_table().rename(columns={"noise": "value"}).assign(setting="weight")
    table["published"] = table["value"] == 0.1
    other = table.assign(setting="embedding_size", value=table["value"].map({0.0: 16, 0.1: 32, 0.5: 64}))
    table["value"] = table["value"].map({0.0: 0.001, 0.1: 0.01, 0.5: 0.1})
    return pd.concat([table, other])


def test_study_lines_draw_values_and_differences():
    table = study_table()
    gains = table[table["alignment"] != "base"].rename(columns={"mean": "difference"})
    figure = studies.study_lines(table, "noise", gains=gains)
    values, differences = drawn.panel(figure, "test recall@20"), drawn.panel(figure, "difference to base")
    np.testing.assert_allclose(drawn.points(values, "base"), [[0, 0.3], [0.1, 0.29], [0.5, 0.25]])
    np.testing.assert_allclose(drawn.intervals(values, "contrastive"), [[0.3, 0.33], [0.29, 0.32], [0.25, 0.28]])
    assert drawn.colour(values, "contrastive") == theme.COLOURS["contrastive"]
    np.testing.assert_allclose(drawn.points(differences, "contrastive")[:, 1], [0.31, 0.30, 0.26])
    assert not len(drawn.points(differences, "base"))
    assert values.get_xlabel() == differences.get_xlabel() == "noise"
    assert len(studies.study_lines(table, "noise").axes) == 1


def test_study_gains_put_names_side_by_side():
    gains = study_table().rename(columns={"mean": "difference"})
    gains["encoder"] = gains["noise"].map({0.0: "minilm", 0.1: "minilm+shuffled", 0.5: "tfidf"})
    figure = studies.study_gains(gains, "encoder")
    assert drawn.titles(figure) == ["test recall@20, difference to base", "test ndcg@20, difference to base"]
    recall = drawn.panel(figure, "recall@20")
    assert drawn.ticks(recall.xaxis) == ["minilm", "minilm+shuffled", "tfidf"]
    base, contrastive = drawn.points(recall, "base"), drawn.points(recall, "contrastive")
    np.testing.assert_allclose(base[:, 1], [0.3, 0.29, 0.25])
    assert (base[:, 0] < contrastive[:, 0]).all() and np.abs(base[:, 0] - range(3)).max() < 0.5
    assert drawn.named(recall, "base")[0].lines[0].get_linestyle() == "None"


def test_sensitivity_rings_the_published_values():
    figure = studies.sensitivity_lines(sensitivity_table())
    weight, size = drawn.panel(figure, "weight of the alignment"), drawn.panel(figure, "embedding size")
    assert weight.get_xscale() == "log" and size.get_xscale() == "linear"
    np.testing.assert_allclose(drawn.points(weight, "published value"), [[0.01, 0.29], [0.01, 0.30]])
    np.testing.assert_allclose(drawn.points(size, "base"), [[16, 0.3], [32, 0.29], [64, 0.25]])


# The report's table beside ours, and the case studies


def gains(dataset=None, factor=1.0):
    rows = [
        (backbone, alignment, vectors, items, k, gain * factor, gain * factor - 5, gain * factor + 5)
        for alignment, start in (("generative", 4.0), ("contrastive", 30.0), ("base", np.nan))
        for backbone, gain in (("lightgcn", start + 10), ("gccf", start))
        for vectors, items, k in (("ego", "first3000", 100), ("final", "all", 20))
    ]
    runs = (("gccf", 2024, 5.0), ("lightgcn", 2024, -8.0), ("lightgcn", 2025, 1.0))
    rows += [(name, again(seed), "final", "all", 20, gain, gain, gain) for name, seed, gain in runs]
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
    summary = distant_users.pair_summary(positions, rng)
    return positions, summary, {"base": 0.1, "contrastive": 0.2, "generative": 0.3}


OURS = ["ours, ego, first 3,000 items, K = 100", "ours, final, all items, K = 20"]


def test_gains_stand_beside_the_reports_at_the_ratio_to_base():
    figure = overlap.overlap_gains(*gains())
    assert drawn.titles(figure) == ["contrastive", "generative"]
    contrastive, generative = (drawn.panel(figure, name) for name in drawn.titles(figure))
    assert drawn.ticks(contrastive.yaxis) == ["gccf", "lightgcn"]
    for name in OURS:
        np.testing.assert_allclose(drawn.points(contrastive, name)[:, 0], [1.3, 1.4])
        np.testing.assert_allclose(drawn.intervals(contrastive, name), [[1.25, 1.35], [1.35, 1.45]])
    for dataset, ratio in (("amazon", 1.5), ("yelp", 1.6)):
        marks = drawn.points(contrastive, f"the report, {dataset}")
        np.testing.assert_allclose(marks[np.isfinite(marks[:, 0]), 0], [ratio])
        assert not len(drawn.points(generative, f"the report, {dataset}"))
    assert drawn.legend(figure)[:4] == ["the report, amazon", "the report, yelp", *OURS]


def test_grey_bars_reach_as_far_as_two_base_runs_differ_at_most():
    figure, words = overlap.overlap_gains(*gains()), "two runs of base differ so far"
    assert drawn.legend(figure)[-1] == words
    for axes in figure.axes:
        np.testing.assert_allclose(drawn.bars(axes, OURS[1]), [(1 / 1.08, 1.08)] * 2)
        assert np.isnan(drawn.bars(axes, OURS[0])).all()  # no two runs of base in this setting
    table, report = gains()
    figure = overlap.overlap_gains(table[~is_again(table["alignment"])], report)
    assert words not in drawn.legend(figure)


@pytest.mark.parametrize("factor", [0.1, 1, 5, 30])
def test_ratio_axes_are_labelled_with_gains_that_keep_apart(factor):
    for axes in overlap.overlap_gains(*gains("amazon", factor)).axes:
        labels = [label for label in axes.get_xticklabels() if axes.get_xlim()[0] <= label.get_position()[0]]
        for label in labels:
            gain = float(label.get_text().replace("\N{MINUS SIGN}", "-").rstrip("%"))
            assert gain == pytest.approx(100 * label.get_position()[0] - 100, abs=0.51)
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) >= 1 and all(a.x1 < b.x0 for a, b in zip(boxes[:-1], boxes[1:], strict=True))


def test_changes_are_sorted_and_their_ends_ringed():
    (axes,) = overlap.overlap_changes(CHANGES).axes
    assert [label.split(":")[0] for label in drawn.legend(axes)] == ["contrastive", "generative"]
    assert drawn.legend(axes)[1] == "generative: 88% rise, 10% fall, mean +0.3900"
    share, change = drawn.points(axes, "generative")[1:].T  # the first stands at minus infinity
    np.testing.assert_allclose(change, np.arange(50) / 50 - 0.1)
    np.testing.assert_allclose(share, np.arange(1, 51) / 50)
    rings = drawn.points(axes, "generative, largest rises")
    np.testing.assert_allclose(rings, [[0.95, 0.84], [0.97, 0.86], [0.99, 0.88]])
    np.testing.assert_allclose(drawn.points(axes, "contrastive, largest rises")[:, 1], [0, 0, 0])


def test_distant_pairs_show_all_pairs_the_chosen_one_and_the_mean():
    positions, summary, far = distant()
    figure = overlap.distant_pairs(positions, summary, far)
    for measure, label in (("cosine", "cosine of the two users"), ("nearer", "share of far users nearer")):
        axes = drawn.panel(figure, label)
        assert drawn.ticks(axes.xaxis) == ["base", "contrastive", "generative"]
        values = positions.loc[positions["space"] == "base", measure]
        dots, stars = drawn.points(axes, "pairs"), drawn.points(axes, "the pair shown")
        for place in range(3):
            own = dots[np.abs(dots[:, 0] - place) < 0.5, 1]
            np.testing.assert_allclose(np.sort(own), np.sort(values))
        np.testing.assert_allclose(stars[:, 1], [values.iloc[0]] * 3)
        assert all((dots == star).all(axis=1).any() for star in stars)
        np.testing.assert_allclose(drawn.points(axes, "mean and 95% CI"), [[x, values.mean()] for x in range(3)])
        rows = summary[summary["measure"] == measure].set_index("space").loc[list(ALIGNMENTS), ["ci_low", "ci_high"]]
        np.testing.assert_allclose(drawn.intervals(axes, "mean and 95% CI"), rows.astype(float))
        levels = drawn.points(axes, "all far pairs")[::2, 1]
        assert levels.tolist() == ([0.1, 0.2, 0.3] if measure == "cosine" else [0.5] * 3)


@pytest.mark.parametrize("draw", [forest.forest, ranking.by_group, studies.study_gains, overlap.overlap_gains])
def test_a_table_without_rows_is_a_sentence(draw):
    """As those of a grid of base models are; whatever the other arguments, they are not looked at."""
    figure = draw(pd.DataFrame(columns=["alignment", "verdict"]), None, None)
    assert [text.get_text() for text in figure.texts] == ["nothing to compare: the grid has base models only"]


def test_a_study_of_base_models_has_no_panel_of_gains():
    rows = [dict(noise=x, alignment="base", metric="recall@20", mean=0.1, ci_low=0, ci_high=0.2) for x in (0, 0.1)]
    figure = studies.study_lines(pd.DataFrame(rows), "noise", gains=pd.DataFrame(columns=["noise", "alignment"]))
    assert len(figure.axes) == 1
