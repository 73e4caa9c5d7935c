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
from lib.analysis.cluster_words import cluster_words
from lib.core.names import ALIGNMENTS
from lib.evaluation.verdicts.against_base import again, is_again
from lib.papers.report.dashboard import Dashboard, turned_alike
from lib.papers.report.dashboard_figure import dashboard
from lib.results import display_names
from lib.results.plots import cost, data, forest, overlap, ranking, studies, theme


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


def ranking_tables():
    """Means, differences to base and the paper's cells of three models."""
    models = [("gccf", "base"), ("lightgcn", "base"), ("lightgcn", "generative")]
    rows = [(*model, f"{metric}@20", metric, 0.12 + 0.01 * place) for metric in ("recall", "ndcg") for place, model in
            enumerate(models)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["backbone", "alignment", "metric", "plain", "mean"]).assign(dataset="toy")
    tests = table[table["alignment"] == "generative"].assign(
        against="base", difference=0.01, ci_low=-0.01, ci_high=0.02
    )
    tests = pd.concat([tests, tests.assign(against="base@generative", ci_low=-9.0)])
    published = table.assign(metric=table["plain"], k=20, published=table["mean"] + 0.05)
    published.loc[published["backbone"] == "gccf", "published"] = np.nan
    return table, tests, published


INTERACTIONS = SimpleNamespace(train=sp.random(60, 80, 0.1, format="csr", random_state=0))
PROFILES = pd.DataFrame({"side": ["user"] * 3 + ["item"] * 2, "text": ["a b c", "a b", "a b c d", "a", "a b c d e f"]})
FIGURES = {
    "dashboard": lambda board: dashboard(board, dataset="movielens-100k", backbone="lightgcn"),
    "learning_curves": lambda _: ranking.learning_curves(histories()),
    "ranking_points": lambda _: ranking.ranking_points(*ranking_tables()),
    "degree_distribution": lambda _: data.degree_distribution(INTERACTIONS),
    "profile_lengths": lambda _: data.profile_lengths(PROFILES),
    "forest": lambda _: forest.forest(*comparisons()),
    "by_group": lambda _: ranking.by_group(group_table(), "user", "test recall@20"),
    "references": lambda _: ranking.references(reference_table()),
    "time_and_quality": lambda _: cost.time_and_quality(cost_table()),
    "overlap_gains": lambda _: overlap.overlap_gains(*gains()),
    "overlap_changes": lambda _: overlap.overlap_changes(CHANGES),
    "distant_pairs": lambda _: overlap.distant_pairs(*distant()),
    "study_lines": lambda _: studies.study_lines(study_table(), "noise", gains=encoder_gains()),
    "study_gains": lambda _: studies.study_gains(encoder_gains(), "encoder"),
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
    content, shown = figure._repr_png_()
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG" and image.width == 1440 and shown["width"] == 720  # twice as many pixels as it takes
    assert shown["height"] == round(image.height / 2)


@pytest.mark.parametrize("name", FIGURES)
def test_a_title_says_where_and_what_came_out(name, board):
    figure = FIGURES[name](board)
    title = figure.get_suptitle().replace("\n", " ")
    assert figure.said and title.lower().endswith(figure.said.lower())
    assert not {"nan", "recall@20", "ndcg@20", "gccf", "lightgcn"} & set(title.replace(",", "").split())


def test_a_title_names_what_is_given_or_what_the_rows_agree_on():
    given = ranking.learning_curves(histories(), dataset="movielens-100k", backbone="lightgcn")
    assert given.get_suptitle().startswith("MovieLens-100K, LightGCN: validation Recall@20 is highest with Base")
    agreed = histories().assign(dataset="yelp").query("backbone == 'gccf'")
    assert ranking.learning_curves(agreed).get_suptitle().startswith("Yelp, GCCF: validation")
    table = histories().assign(dataset=["yelp", "amazon"] * 124)
    assert ranking.learning_curves(table).get_suptitle().startswith("Validation")


def test_files_have_a_palette_and_their_record(tmp_path):
    figure = ranking.learning_curves(histories())
    figure.savefig(tmp_path / "a.png", metadata={"Description": "reprec: {}", "Software": None})
    image = Image.open(tmp_path / "a.png")
    assert image.mode == "P" and image.text == {"Description": "reprec: {}"} and round(image.info["dpi"][0]) == 200
    figure.savefig(tmp_path / "a.pdf", metadata={"CreationDate": None})
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


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
    assert [text.split(":")[0] for text in drawn.legend(trend)] == ["Base", "Contrastive", "Generative"]
    assert f"slope {slope:.2f}" in drawn.legend(trend)[0]
    base = board.trend[(board.trend["space"] == "base") & (board.trend["bins"] == "report")]
    np.testing.assert_allclose(drawn.points(trend, "Base"), base[["text_cosine", "mean"]])
    interval = base[["text_cosine", "ci_low", "ci_high"]]
    np.testing.assert_allclose(drawn.band(trend, "base, interval"), interval)


def test_dashboard_has_the_share_of_items_with_at_most_so_much_overlap(board):
    distribution = drawn.panel(dashboard(board), "K = 100, 300 items")
    x, share = drawn.points(distribution, "Base")[1:].T  # the first stands at minus infinity
    np.testing.assert_allclose(x, np.sort(board.nearest_100["base"]))
    np.testing.assert_allclose(share, np.arange(1, 301) / 300)
    assert drawn.legend(distribution)[1] == "Contrastive: mean 1.000"
    (chance,) = (line.get_xdata()[0] for line in distribution.lines if line.get_linestyle() == ":")
    assert chance == text_overlap.chance_overlap(300, 100)


def test_counts_stand_at_the_values_that_there_can_be(board):
    counts = drawn.panel(dashboard(board), "K = 20, 300 items")
    values, items = drawn.points(counts, "Generative").T
    assert values[0] == 0 and np.isin(np.round(values, 9), np.round([n / (40 - n) for n in range(21)], 9)).all()
    known = board.nearest_20["generative"].round(9).value_counts()
    np.testing.assert_allclose(items, known.reindex(np.round(values, 9), fill_value=0))
    assert counts.get_xlim()[0] == 0


def test_dashboard_maps_share_one_colouring(board):
    figure = dashboard(board)
    assert drawn.titles(figure)[3:] == ["Base", "Contrastive", "Generative", "text"]
    maps = [drawn.named(drawn.panel(figure, name), "items")[0] for name in drawn.titles(figure)[3:]]
    colours = [dots.get_facecolors().tolist() for dots in maps]
    assert colours.count(colours[0]) == 4 and len({tuple(colour) for colour in colours[0]}) == 5
    for name, dots in zip([*ALIGNMENTS, "text"], maps, strict=True):
        np.testing.assert_allclose(dots.get_offsets(), board.points.loc[board.points["space"] == name, ["x", "y"]])
    row = board.separation.set_index("space").loc["text"]
    assert drawn.panel(figure, "text").get_xlabel().startswith(f"silhouette {row.silhouette:.2f}, NMI 1.00")


def test_clusters_are_named_and_far_items_do_not_shrink_a_map(board):
    points = board.points.copy()
    points.iloc[0, points.columns.get_indexer(["x", "y"])] = 1e3
    figure = dashboard(board._replace(points=points, clusters=tuple("abcde")))
    first = drawn.panel(figure, display_names.alignment(points["space"].iloc[0]))
    assert np.ptp(first.get_xlim()) < 50 and first.get_xlabel().endswith("1 items outside")
    legends = [found for part in figure.subfigs for found in part.legends]
    assert [text.get_text() for found in legends for text in found.get_texts()] == [*"abcde"]


def test_maps_are_turned_alike_and_keep_their_distances():
    rng = np.random.default_rng(0)
    text = rng.normal(size=(40, 2)) * [3, 1]
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])  # mirrored and turned
    maps = turned_alike({"base": text @ turn + 7, "contrastive": -text, "text": text})
    for places in maps.values():
        np.testing.assert_allclose(places, text - text.mean(0), atol=1e-9)


def test_words_name_what_tells_clusters_apart():
    texts = ["a film of horror and ghosts", "horror in the night", "a romance in Paris", "romance and a wedding"]
    assert [words.split(", ")[0] for words in cluster_words(texts, np.array([1, 1, 0, 0]), 2)] == ["romance", "horror"]


# Ranking


def test_learning_curves_have_a_panel_per_backbone_and_mark_the_best_epoch():
    figure = ranking.learning_curves(histories())
    assert drawn.titles(figure) == ["GCCF", "LightGCN"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["validation Recall@20", ""]
    gccf = drawn.panel(figure, "GCCF")
    assert gccf.get_xlabel() == "epoch" and drawn.legend(figure) == ["Base", "Contrastive", "marks: weights used"]
    epochs = np.arange(0, 31, 3)
    low = 0.1 * epochs / (3 + epochs)
    for name in ("base", "contrastive"):
        np.testing.assert_allclose(drawn.points(gccf, name), np.stack([epochs, low + 0.005], 1))
        np.testing.assert_allclose(drawn.band(gccf, f"{name}, all seeds"), np.stack([epochs, low, low + 0.01], 1))
        best = low[-1]
        np.testing.assert_allclose(drawn.points(gccf, f"{name}, best"), [[30, best], [30, best + 0.01]])
    assert gccf.get_ylim()[0] == pytest.approx(ranking.FLOOR * (low[-1] + 0.01))  # below it all rise alike


def test_the_best_epoch_is_each_runs_own_however_runs_are_numbered():
    runs = [histories().query(f"seed == {seed}").reset_index(drop=True) for seed in (0, 1)]
    runs[1].loc[runs[1]["epoch"] > 15, "recall@20"] /= 2
    gccf = drawn.panel(ranking.learning_curves(pd.concat(runs)), "GCCF")
    np.testing.assert_allclose(drawn.points(gccf, "base, best")[:, 0], [15, 30])


def test_learning_curves_cross_the_points_of_public_runs():
    points = pd.DataFrame({"backbone": "gccf", "alignment": "base", "epoch": [3, 15], "public": [0.05, 0.07]})
    figure = ranking.learning_curves(histories(), public=points)
    assert drawn.points(drawn.panel(figure, "GCCF"), "public run").tolist() == [[3, 0.05], [15, 0.07]]
    assert not len(drawn.points(drawn.panel(figure, "LightGCN"), "public run"))


def test_ranking_has_paired_intervals_and_the_papers_values():
    figure = ranking.ranking_points(*ranking_tables())
    recall = drawn.panel(figure, "test Recall@20")
    assert drawn.ticks(recall.yaxis) == ["GCCF", "LightGCN"] and "NDCG@20" in drawn.titles(figure)[1]
    np.testing.assert_allclose(drawn.points(recall, "Base")[:, 0], [0.12, 0.13])
    aligned = drawn.points(recall, "Generative")
    np.testing.assert_allclose(aligned[np.isfinite(aligned[:, 0]), 0], [0.14])
    # the interval of the difference, -0.01 to 0.02 around 0.01, put around the mean of 0.14
    own = drawn.intervals(recall, "Generative")
    np.testing.assert_allclose(own[np.isfinite(own[:, 0])], [[0.12, 0.15]])
    papers = drawn.points(recall, "the paper")
    np.testing.assert_allclose(papers[np.isfinite(papers[:, 0]), 0], [0.18, 0.19])
    assert set(drawn.legend(figure)) == {"Base", "the paper", "Generative"}
    title = figure.get_suptitle().replace("\n", " ")
    assert title.lower().startswith("toy: lightgcn generative has the highest recall@20, 0.1400")
    assert title.endswith("above Base, surely or not, in 1 of 1 with Generative")
    table, tests, published = ranking_tables()
    alone = ranking.ranking_points(table, tests, published.assign(published=np.nan))
    assert drawn.legend(alone) == ["Base", "Generative"]


# Overlap and data


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
    if vision == "normal":  # as in a print without colours
        assert np.diff(np.sort(lab[:, 0])).min() > 0.1


def test_every_alignment_has_a_colour_of_its_own():
    assert set(ALIGNMENTS) < set(theme.COLOURS) and len(set(theme.COLOURS.values())) == len(theme.COLOURS)
    assert set(theme.MARKERS) == set(theme.COLOURS) and len(set(theme.MARKERS.values())) == len(theme.MARKERS)


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
    return pd.DataFrame(rows, columns=["backbone", "alignment", "group", "value", "ci_low", "ci_high"]).assign(
        verdict=[*["better"] * 2, *["inconclusive"] * 10]
    )


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
    assert drawn.titles(figure) == ["Contrastive alignment", "Generative alignment"]
    panel = drawn.panel(figure, "Contrastive alignment")
    assert drawn.ticks(panel.yaxis) == ["GCCF", "SGL", "mean"] and panel.yaxis_inverted()
    fair, published = (marks.get_offsets() for marks in drawn.named(panel, "backbones"))
    np.testing.assert_allclose(fair[:, 0], [-10, 5])  # in percent of base
    np.testing.assert_allclose(published[:, 0], [-5, 2.5])
    assert (fair[:, 1] < published[:, 1]).all()  # the fair comparison stands above
    hollow, filled = drawn.named(panel, "backbones")[0].get_facecolors()
    assert hollow[:3].tolist() == [1, 1, 1] and filled[:3].tolist() != [1, 1, 1]
    diamonds = [shape.get_xy()[:, 0] for shape in panel.patches if shape.get_gid() == "mean"]
    ends = [(places.min(), places.max()) for places in diamonds]
    np.testing.assert_allclose(ends, [(-3, 1), (-3, 1)])
    assert panel.get_xlim() == drawn.panel(figure, "Generative alignment").get_xlim()
    words = {"against Base with the same settings", "against Base as published", "hollow: inconclusive"}
    assert set(drawn.legend(figure)) == words
    title = figure.get_suptitle().replace("\n", " ")
    assert title.startswith("Recall@20 against Base with the same settings, on average: ")
    assert "Contrastive −1.0% (clearly better in 1, worse in 0 of 2)" in title


def test_by_group_draws_the_groups_in_order_with_their_intervals():
    figure = ranking.by_group(group_table(), "user", "test recall@20")
    assert drawn.titles(figure) == ["GCCF", "LightGCN"]
    assert figure.get_suptitle().replace("\n", " ").endswith("alignment is clearly better in 2 and worse in 0 of 12")
    assert [axes.get_xlabel() for axes in figure.axes] == ["train interactions of the user"] * 2
    gccf = drawn.panel(figure, "GCCF")
    assert drawn.ticks(gccf.xaxis) == ["1–3", "4–9", "10–80"] and gccf.get_ylabel() == "test recall@20"
    np.testing.assert_allclose(drawn.points(gccf, "Base")[:, 1], [0.3, 0.2, 0.1])
    np.testing.assert_allclose(drawn.intervals(gccf, "Contrastive"), [[0.38, 0.43], [0.28, 0.33], [0.18, 0.23]])
    assert not drawn.named(gccf, "zero")
    below = ranking.by_group(group_table().assign(ci_low=-0.1), "item", "gain")
    assert drawn.points(drawn.panel(below, "GCCF"), "zero")[:, 1].tolist() == [0, 0]


def test_references_mark_the_papers_value():
    figure = ranking.references(reference_table())
    assert [title.split(",")[0] for title in drawn.titles(figure)] == ["test Recall@20", "test NDCG@20"]
    recall = drawn.panel(figure, "Recall@20")
    assert drawn.ticks(recall.yaxis) == ["text only", "random", "GCCF Base"]
    said = "Without training, text only reaches 17% and random reaches 7% of the Recall@20 of GCCF Base (0.3000)"
    assert figure.get_suptitle().replace("\n", " ") == said
    np.testing.assert_allclose(drawn.bars(recall, "ours"), [[0, 0.05], [0, 0.02], [0, 0.3]])
    np.testing.assert_allclose(drawn.intervals(recall, "ours"), [[0.04, 0.06], [0.01, 0.03], [0.29, 0.31]])
    colours = [bar.get_facecolor()[:3] for bar in drawn.named(recall, "ours")[0]]
    assert colours == [to_rgb(theme.GREY)] * 2 + [to_rgb(theme.COLOURS["base"])]
    crosses = drawn.points(recall, "the paper")
    assert crosses[np.isfinite(crosses[:, 0])].tolist() == [[0.07, 0]]
    alone = ranking.references(reference_table().assign(published=np.nan))
    assert not alone.legends and not drawn.named(drawn.panel(alone, "Recall@20"), "the paper")


def test_time_and_quality_are_ratios_to_base_and_no_model_decides_the_scale():
    table = cost_table()
    table.loc[table["alignment"] == "contrastive", "recall@20"] = 0.11  # half of base's
    figure = cost.time_and_quality(table)
    epoch, whole, quality = figure.axes
    assert drawn.ticks(epoch.yaxis) == ["GCCF", "DCCF"]
    for axes in (epoch, whole):
        assert axes.get_xscale() == "log"
        np.testing.assert_allclose(drawn.points(axes, "Generative")[:, 0], [0.1 / 0.2])
        np.testing.assert_allclose(drawn.points(axes, "Contrastive")[:, 0], [0.4 / 0.3])
    np.testing.assert_allclose(drawn.points(quality, "Generative")[:, 0], [100 * (0.2 / 0.21 - 1)])
    np.testing.assert_allclose(drawn.points(quality, "Contrastive")[:, 0], [-50])
    places = quality.transData.transform([[-50, 0], [-2, 0], [2, 0]])
    left, small, right = quality.transAxes.inverted().transform(places)[:, 0]
    assert left > 0 and right - small > 0.25  # a change of two percent is still seen
    assert drawn.legend(figure) == ["Contrastive", "Generative"]
    title = figure.get_suptitle().replace("\n", " ")
    assert "Contrastive: 1.3 to 1.3 times Base's time per epoch, Recall@20 −50.0%" in title


# Studies


def study_table():
    kinds, shares = ("base", "contrastive"), (0.0, 0.1, 0.5)
    rows = [(x, kind, metric, 0.3 - 0.1 * x + 0.01 * i) for x in shares for i, kind in enumerate(kinds) for metric in
            ("recall@20", "ndcg@20")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["noise", "alignment", "metric", "mean"])
    return table.assign(ci_low=table["mean"] - 0.01, ci_high=table["mean"] + 0.02, verdict="inconclusive")


def encoder_gains():
    gains = study_table().rename(columns={"mean": "difference"})
    gains["encoder"] = gains["noise"].map({0.0: "minilm", 0.1: "minilm+shuffled", 0.5: "tfidf"})
    return gains


def sensitivity_table():
    table = study_table().rename(columns={"noise": "value"}).assign(setting="weight")
    table["published"] = table["value"] == 0.1
    other = table.assign(setting="embedding_size", value=table["value"].map({0.0: 16, 0.1: 32, 0.5: 64}))
    table["value"] = table["value"].map({0.0: 0.001, 0.1: 0.01, 0.5: 0.1})
    return pd.concat([table, other])


def test_study_lines_draw_values_and_differences():
    table = study_table()
    gains = table[table["alignment"] != "base"].rename(columns={"mean": "difference"})
    figure = studies.study_lines(table, "noise", gains=gains, dataset="movielens-100k", backbone="simgcl")
    values, differences = drawn.panel(figure, "test Recall@20"), drawn.panel(figure, "difference to Base")
    # the two alignments stand 2% of the axis apart, or they would hide one another
    np.testing.assert_allclose(drawn.points(values, "Base"), [[-0.005, 0.3], [0.095, 0.29], [0.495, 0.25]])
    np.testing.assert_allclose(drawn.points(values, "Contrastive")[:, 0], [0.005, 0.105, 0.505])
    np.testing.assert_allclose(drawn.intervals(values, "Contrastive"), [[0.3, 0.33], [0.29, 0.32], [0.25, 0.28]])
    assert drawn.colour(values, "Contrastive") == theme.COLOURS["contrastive"]
    np.testing.assert_allclose(drawn.points(differences, "Contrastive"), [[0, 0.31], [0.1, 0.30], [0.5, 0.26]])
    assert not len(drawn.points(differences, "Base"))
    assert values.get_xlabel() == differences.get_xlabel() == studies.CONDITIONS["noise"]
    said = "MovieLens-100K, SimGCL: Recall@20 against Base: Contrastive is clearly better in 0, worse in 0 of 3"
    assert figure.get_suptitle().replace("\n", " ") == said
    assert len(studies.study_lines(table, "noise").axes) == 1


def test_study_gains_have_a_row_for_each_name_and_no_tilted_label():
    figure = studies.study_gains(encoder_gains(), "encoder")
    recall, ndcg = figure.axes
    assert recall.get_xlabel() == "test Recall@20, difference to Base" and "NDCG@20" in ndcg.get_xlabel()
    assert drawn.ticks(recall.yaxis) == ["MiniLM", "MiniLM, shuffled text", "TF-IDF"] and recall.yaxis_inverted()
    labels = [label for axes in figure.axes for label in axes.get_xticklabels() + axes.get_yticklabels()]
    assert {label.get_rotation() for label in labels} == {0}
    base, contrastive = (np.array(sorted(drawn.points(recall, name).tolist(), key=lambda at: at[1])) for name in
                         ("Base", "Contrastive"))  # fmt: skip
    np.testing.assert_allclose(base[:, 0], [0.3, 0.29, 0.25])
    assert (base[:, 1] < contrastive[:, 1]).all() and np.abs(base[:, 1] - range(3)).max() < 0.5
    starts = encoder_gains().query("encoder == 'minilm'")
    alone = studies.study_gains(starts.assign(start=starts["alignment"]), "start", against="a random start")
    said = "against a random start: clearly better in 0, worse in 0 of 2"
    assert not alone.legends and alone.get_suptitle().endswith(said)


def test_sensitivity_fills_the_published_values():
    figure = studies.sensitivity_lines(sensitivity_table())
    weight, size = drawn.panel(figure, "weight of the alignment"), drawn.panel(figure, "embedding size")
    assert drawn.ticks(weight.xaxis) == ["0.001", "0.01", "0.1"] and drawn.ticks(size.xaxis) == ["16", "32", "64"]
    np.testing.assert_allclose(drawn.points(weight, "published value"), [[0.95, 0.29], [1.05, 0.30]])
    np.testing.assert_allclose(drawn.points(size, "Base"), [[-0.05, 0.3], [0.95, 0.29], [1.95, 0.25]])
    hollow = drawn.named(size, "Base")[0].lines[0]
    assert hollow.get_markerfacecolor() == "white"
    assert "moves most with" in figure.get_suptitle() and "0.250 to 0.300" in figure.get_suptitle().replace("\n", " ")


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
    table = pd.DataFrame(rows, columns=columns)
    table["verdict"] = np.where(table["gain_low"] > 0, "supported", "inconclusive")
    report = [(name, "lightgcn", "contrastive", 50.0 + 10 * place) for place, name in enumerate(("amazon", "yelp"))]
    report = pd.DataFrame(report, columns=["dataset", "backbone", "alignment", "gain_pct"])
    return table, report if dataset is None else report[report["dataset"] == dataset]


CHANGES = pd.DataFrame({"base": 0.1, "generative": np.arange(50) / 50, "contrastive": 0.1}, index=range(50))


def distant():
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"user": range(40), "partner": range(40, 80)})
    values = {"cosine": rng.uniform(-0.5, 0.9, 40), "nearer": rng.uniform(0, 1, 40)}
    positions = pd.concat([pairs.assign(space=space, **values) for space in ("generative", "base", "contrastive")])
    summary = distant_users.pair_summary(positions, rng)
    return positions, summary, {"base": 0.1, "contrastive": 0.2, "generative": 0.3}


OURS = ["ours, ego vectors, first 3,000 items, K = 100", "ours, final vectors, all items, K = 20"]


def test_gains_stand_beside_the_reports_at_the_ratio_to_base():
    figure = overlap.overlap_gains(*gains())
    assert drawn.titles(figure) == ["Contrastive", "Generative"]
    contrastive, generative = (drawn.panel(figure, name) for name in drawn.titles(figure))
    assert drawn.ticks(contrastive.yaxis) == ["GCCF", "LightGCN"]
    for name in OURS:
        np.testing.assert_allclose(drawn.points(contrastive, name)[:, 0], [1.3, 1.4])
        np.testing.assert_allclose(drawn.intervals(contrastive, name), [[1.25, 1.35], [1.35, 1.45]])
    for dataset, ratio in (("Amazon-book", 1.5), ("Yelp", 1.6)):
        marks = drawn.points(contrastive, f"the report, {dataset}")
        np.testing.assert_allclose(marks[np.isfinite(marks[:, 0]), 0], [ratio])
        assert not len(drawn.points(generative, f"the report, {dataset}"))
    assert drawn.legend(figure)[:4] == ["the report, Amazon-book", "the report, Yelp", *OURS]
    assert contrastive.get_xlim() == generative.get_xlim() and "logarithmic" in contrastive.get_xlabel()
    said = "with Contrastive in 2 of 2 and Generative in 1 of 2 backbones (ego vectors, first 3,000 items, K = 100)"
    assert figure.get_suptitle().replace("\n", " ").endswith(said)


def test_one_grey_band_reaches_as_far_as_two_base_runs_differ_at_most():
    figure, words = overlap.overlap_gains(*gains()), "two runs of Base differ so far"
    assert drawn.legend(figure)[-1] == words
    for axes in figure.axes:
        (band,) = axes.patches
        np.testing.assert_allclose([band.get_x(), band.get_x() + band.get_width()], [1 / 1.08, 1.08])
    table, report = gains()
    figure = overlap.overlap_gains(table[~is_again(table["alignment"])], report)
    assert words not in drawn.legend(figure) and not figure.axes[0].patches


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
    assert [label.split(":")[0] for label in drawn.legend(axes)] == ["Contrastive", "Generative"]
    assert drawn.legend(axes)[1] == "Generative: 88% rise, 10% fall, mean +0.3900"
    share, change = drawn.points(axes, "Generative")[1:].T  # the first stands at minus infinity
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
        assert drawn.ticks(axes.xaxis) == ["Base", "Contrastive", "Generative"]
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
        low, high = axes.get_ylim()
        assert low < min(stars[:, 1].min() - 0.02, dots[:, 1].min() - 0.02)  # nothing stands on the edge
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
