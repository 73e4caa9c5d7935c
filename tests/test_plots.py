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

from lib import alignment, plots, semantics


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
    assert [len(line) for line in lines] == [11, 1, 11, 1] and len(first.collections) == 2
    assert lines[1].tolist() == [[30, pytest.approx(0.1 * 30 / 33 + 0.005)]]


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
    for palette in (plots.ALIGNMENTS, plots.BACKBONES):
        assert len(set(palette.values())) == len(palette)
