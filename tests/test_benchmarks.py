"""Benchmarks: everyone computes the same, the counts are right, and the commands run."""

import importlib.util
import io
import os
import re
import signal
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import generated, growth, measure, one_size, pyg, report, roofline, textbook, textbook_weighted
from benchmarks.own_process import Apart
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import ALIGNMENTS
from lib.evaluation import ranking
from lib.models import backbones
from lib.results import records, why
from lib.results.plots import theme
from lib.training import run_settings
from lib.training.fit import adam, train_epoch
from lib.training.recommender import build
from lib.training.sampler import Sampler
from lib.training.step import stepper

DATA = toys.interactions(60, 50)
TEXT = toys.text(DATA)
TOY = {"autocf": {"seeds": 2, "refresh_every": 2}}  # 100 seeds would leave no entry of so small a graph
CELLS = [(name, kind) for name in textbook_weighted.MODELS for kind in ("base", "contrastive", "generative")]


def library(backbone, alignment):
    """The library's model of a cell, its settings and yaml keys, on the toy data."""
    settings = run_settings.resolve("amazon", backbone, alignment, scale="paper")
    settings = settings.model_copy(update={"protocol": toys.protocol(batch_size=100)})
    settings.backbone_settings.update(TOY.get(backbone, {}))
    options = settings.backbone_settings | settings.alignment_settings
    return build(settings, DATA, None if alignment == "base" else TEXT), settings, options


def same_start(plain, ours):
    """Copy the library's initial values into a textbook model."""
    with torch.no_grad():
        users, items = ours.backbone.ego.split([DATA.n_users, DATA.n_items])
        plain.users.copy_(users)
        plain.items.copy_(items)
        for name, values in ours.backbone.named_parameters():
            if name != "ego":
                plain.get_parameter(name).copy_(values)
    for name in ("project", "generate"):
        if hasattr(plain, name):
            getattr(plain, name).load_state_dict(getattr(ours.alignment, name).state_dict())


def batches(seed):
    return Sampler(DATA.train, 100).epoch(torch.Generator().manual_seed(seed))


def textbook_graphs(plain, graph, scores, generator):
    """The graphs that AutoCF's textbook draws, as the library's: so both train on the same."""
    matrix, entries = plain.draw(scores, generator)
    return graph.with_entries(*matrix.indices()), graph.with_entries(*entries)


@pytest.fixture
def cell(request):
    ours, settings, options = library(*request.param)
    plain = textbook_weighted.MODELS[request.param[0]](*request.param, options, DATA.train, TEXT, 8)
    same_start(plain, ours)
    if request.param[0] == "autocf":
        ours.backbone.draw_graphs = partial(textbook_graphs, plain, ours.backbone.graph)
    return ours, plain, settings


@pytest.mark.parametrize("cell", CELLS, ids="-".join, indirect=True)
def test_textbook_losses_and_gradients_are_the_librarys(cell):
    ours, plain, _ = cell
    one, other = next(batches(3)), next(batches(3))
    terms = ours.losses(one)
    plain_terms = plain.losses(other)
    assert plain_terms.keys() == terms.keys()
    for name in terms:
        torch.testing.assert_close(plain_terms[name], terms[name], rtol=1e-5, atol=1e-7, msg=name)
    sum(terms.values()).backward()
    sum(plain_terms.values()).backward()
    gradient = torch.cat([plain.users.grad, plain.items.grad])
    torch.testing.assert_close(gradient, ours.backbone.ego.grad, rtol=1e-4, atol=1e-7)
    for name, values in ours.backbone.named_parameters():
        if name != "ego":
            torch.testing.assert_close(plain.get_parameter(name).grad, values.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("cell", CELLS, ids="-".join, indirect=True)
def test_textbook_trains_to_the_same_vectors(cell):
    ours, plain, settings = cell
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    step = stepper(ours, adam(ours, settings.protocol))
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        losses = train_epoch(step, Sampler(DATA.train, 100), generator, seed)
        assert textbook.train_epoch(plain, optimizer, batches(seed)) == pytest.approx(sum(losses.values()), rel=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(plain.final(), ours.final(), rtol=1e-5, atol=1e-5)
    metrics = ranking.mean(ranking.evaluate(ours.final(), DATA.n_users, DATA.train, DATA.test))
    assert textbook.evaluate(plain, DATA.train, DATA.test) == pytest.approx(metrics)


@pytest.mark.parametrize("cell", [("autocf", "base")], ids="-".join, indirect=True)
def test_textbook_draws_the_librarys_graphs(cell):
    ours, plain, _ = cell
    scores, draws = torch.randn(DATA.n_users + DATA.n_items), [torch.Generator().manual_seed(4) for _ in range(2)]
    graphs = type(ours.backbone).draw_graphs(ours.backbone, scores, draws[0])  # not the one that the cell hands over
    matrix, completed = plain.draw(scores, draws[1])
    assert 0 < matrix.values().numel() < 2 * DATA.train.nnz
    torch.testing.assert_close(matrix.to_dense(), graphs[0].propagate(torch.eye(len(scores))))
    assert (completed == torch.stack([graphs[1].rows, graphs[1].columns])).all()


@pytest.mark.parametrize("cell", [("autocf", "base")], ids="-".join, indirect=True)
def test_textbook_bounds_large_logits_as_the_library_does(cell):
    ours, plain, _ = cell
    with torch.no_grad():
        for table in (plain.users, plain.items, ours.backbone.ego):
            table *= 100
        torch.testing.assert_close(plain.final(), ours.final(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("csr", [False, True], ids=["edge list", "csr"])
def test_the_peer_trains_to_the_same_vectors(csr):
    pytest.importorskip("torch_geometric", reason="PyTorch Geometric is not installed")
    ours, settings, options = library("lightgcn", "base")
    peer = pyg.Model(ours.backbone.graph, options, 8, csr)
    with torch.no_grad():
        peer.peer.embedding.weight.copy_(ours.backbone.ego)
    torch.testing.assert_close(peer.final(), ours.final())
    optimizer = torch.optim.Adam(peer.parameters(), lr=0.01)
    step = stepper(ours, adam(ours, settings.protocol))
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        losses = train_epoch(step, Sampler(DATA.train, 100), generator, seed)
        assert pyg.train_epoch(peer, optimizer, batches(seed)) == pytest.approx(sum(losses.values()), rel=1e-5)
    torch.testing.assert_close(peer.final(), ours.final(), rtol=1e-5, atol=1e-5)


def test_without_the_peer_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric.nn", None)
    with pytest.raises(UserError, match=r"left out .*pip install torch_geometric$"):
        pyg.load()


# The generator


def test_generated_pairs_are_distinct_and_as_many_as_asked():
    data = generated.interactions(20_000, seed=1)
    assert (data.train.nnz, data.test.nnz, data.validation.nnz) == (20_000, 2_000, 0)
    assert data.train.shape == (1000, 500)
    assert (data.train + data.test).max() == 1  # Interactions itself refuses repeats within a split
    assert data.fingerprint == generated.interactions(20_000, seed=1).fingerprint
    assert data.fingerprint != generated.interactions(20_000, seed=2).fingerprint


def test_generated_degrees_are_heavy_tailed():
    rng = np.random.default_rng(0)
    drawn = np.bincount(generated.power_law(1000, 10**6, 3.0, rng), minlength=1000)
    ranks = np.arange(1, 1001)
    assert np.polyfit(np.log(ranks[10:]), np.log(drawn[10:]), 1)[0] == pytest.approx(-0.5, abs=0.03)
    data = generated.interactions(100_000)
    for degrees in (np.diff(data.train.indptr), np.bincount(data.train.indices)):
        assert degrees.max() > 10 * np.median(degrees)  # equal chances would give about 2
        share = np.sort(degrees)[-len(degrees) // 100 :].sum() / degrees.sum()
        assert share > 0.05  # of the first hundredth


def test_too_few_to_generate_is_one_sentence():
    with pytest.raises(UserError, match="12 interactions are too few"):
        generated.interactions(12)


def test_first_users_keep_their_entries_and_the_others_lose_theirs():
    some, count = one_size.first_users(DATA.test, 7)
    users = np.flatnonzero(DATA.test.getnnz(axis=1))[:7]
    expected = np.zeros(DATA.test.shape)
    expected[users] = DATA.test[users].toarray()
    assert count == 7 and (some.toarray() == expected).all()


# The roofline


def test_bytes_and_operations_counted_by_hand():
    # 3 nodes, 4 entries, width 2: 4 ids, 4 rows and 3 pointers read, 3 rows written; 8 additions
    assert roofline.sparse_product(3, 4, 2) == (4 * (4 + 8 + 3 + 6), 8)
    # keys and values, then queries and the mean's gradient, then keys again; the mean and the gradients of all three
    assert roofline.weighted_mean(3, 4, 2) == (4 * (5 * 8 + 4 * 6), 6 * 16)
    # 3 different rows of 4, width 2: a product and an addition for each number, forward or backward
    assert roofline.batch_rows(3, 4, 2) == (4 * (6 + 6), 16)
    # 2 rows, 3 candidates: 6 logits of 2 products and 2 additions, and two gradients of the same shape
    assert roofline.log_sum_exp(2, 3, 2) == (4 * (4 + 4 + 6 + 6), 3 * 24)
    assert roofline.log_sum_exp(2, 3, 2, constants=True) == (4 * (4 + 4 + 6), 2 * 24)
    assert roofline.log_sum_exp(2, 3, 2, pairs=5) == (4 * (4 + 4 + 6 + 6), 3 * 20)
    # 5 rows, 4 -> 3 -> 2: 5*4*3 and 5*3*2 multiplications and as many additions
    constant = roofline.dense(5, 4, 3, 2, learning_inputs=False)
    assert constant == (4 * 5 * (2 * 4 + 2 * 2), 2 * 120 + 3 * 60)
    assert roofline.dense(5, 4, 3, 2) == (4 * 5 * (3 * 4 + 2 * 2), 3 * 120 + 3 * 60)
    assert roofline.adam(10) == (4 * 80, 120)


SHAPE = roofline.Shape(n_users=5, n_items=4, entries=20, size=2, output=6, text=8, parameters=18, drawn=(12, 30))
LAYERS = {"layers": 3, "keep_rate": 0.5, "ssl_negatives": False}


def counted(backbone, alignment="base", **options):
    """The parts of a step of three triples with 2 users, items 2 and 3, and items 0 to 2 as negatives."""
    lists = [0, 0, 1], [2, 3, 2], [1, 2, 0]
    batch = SimpleNamespace(**dict(zip(("users", "positives", "negatives"), map(torch.tensor, lists), strict=True)))
    return roofline.step(backbone, alignment, options, SHAPE, batch)


def test_every_backbone_and_alignment_has_a_bound():
    assert set(roofline.BACKBONES) == set(backbones.names()) and set(roofline.ALIGNMENTS) == set(ALIGNMENTS)
    tasks = [measure.Task("amazon", *cell, "cpu", 384) for cell in measure.cells()]
    assert len(tasks) == 18 and all("roofline" in {t.implementation for t in measure.contestants(t)} for t in tasks)


def test_gccf_propagates_the_whole_graph_and_scores_all_layers():
    parts = counted("gccf", layers=3)
    assert parts["propagation"] == [roofline.sparse_product(9, 20, 2).times(6)]
    assert parts["batch rows"] == [roofline.batch_rows(2 + 4, 9, 6)]
    assert parts["update"] == [roofline.adam(18)]


def test_lightgcn_propagates_a_dropped_graph():
    assert counted("lightgcn", layers=3, keep_rate=0.5)["propagation"] == [roofline.sparse_product(9, 10, 2).times(6)]


def test_sgl_propagates_three_graphs_whose_first_products_read_the_same_rows():
    whole, dropped = roofline.sparse_product(9, 20, 2), roofline.sparse_product(9, 10, 2)
    # whole: 3 forward, 3 backward; each of two views: 2 forward, 3 backward
    assert counted("sgl", **LAYERS)["propagation"] == [whole.times(6), dropped.times(10)]


@pytest.mark.parametrize("backbone", ["sgl", "simgcl"])
def test_views_are_contrasted_with_all_users_and_items(backbone):
    parts = counted(backbone, **LAYERS)
    assert parts["contrast"] == [roofline.log_sum_exp(2, 5, 2), roofline.log_sum_exp(2, 4, 2)]
    parts = counted(backbone, **LAYERS | {"ssl_negatives": True})
    assert parts["contrast"] == [roofline.log_sum_exp(2, 5, 2), roofline.log_sum_exp(4, 4, 2)]


def test_simgcl_shares_its_first_product_and_its_gradients():
    # forward 1 + 2 + 2 + 2, backward 3
    assert counted("simgcl", **LAYERS)["propagation"] == [roofline.sparse_product(9, 20, 2).times(10)]


def test_dccf_counts_intents_means_and_views_of_each_layer():
    parts = counted("dccf", layers=3, intents=7, ssl_negatives=True)
    assert parts["propagation"] == [roofline.sparse_product(9, 20, 2).times(6)]
    # 9 rows, 2 -> 7 -> 2: two products with two gradients each
    assert parts["intents"] == [(3 * 4 * 9 * (3 * 2 + 2 * 2), 3 * 6 * 2 * 9 * 2 * 7)]
    # read at entries: values, half of each view, a gradient, both views; written: means, values' and views' gradients
    assert parts["means"] == [(3 * 4 * 2 * (20 * (1 + 2 / 2 + 1 + 2) + 9 * (1 + 1 + 2)), 3 * 6 * 2 * 20 * 2)]
    assert parts["contrast"] == [roofline.log_sum_exp(m, m, 2).times(3 * 3) for m in (2, 4)]


def test_autocf_counts_drawn_graphs_and_a_pair_of_the_same_table_once():
    parts = counted("autocf", layers=3, transformer_layers=2)
    assert parts["propagation"] == [roofline.sparse_product(9, 12, 2).times(6)]
    assert parts["attention"] == [roofline.dense(9, 2, 6).times(2), roofline.weighted_mean(9, 30, 2).times(2)]
    assert parts["batch rows"] == [roofline.batch_rows(2 + 2, 6, 2)]
    assert parts["reconstruction"] == [roofline.log_sum_exp(2, 4, 2)]
    # 2 of 5 users: 6 pairs with others, 2 x 2 of which half count; 2 of 4 items likewise
    assert parts["contrast"] == [(4 * (10 + 10), 3 * 2 * (6 + 2) * 2), (4 * (8 + 8), 3 * 2 * (4 + 2) * 2)]


def test_alignments_are_as_wide_as_the_final_vectors():
    con = counted("gccf", "contrastive", layers=3, negative_items=True)
    assert con["projection"] == [roofline.dense(5 + 4, 8, 7, 6, learning_inputs=False)]  # all users, items 0 to 3
    # 2 x 2 positives and 3 x 3 negatives, of which item 2 with itself is in both
    assert con["alignment"] == [roofline.log_sum_exp(2, 5, 6), roofline.log_sum_exp(4, 4, 6, pairs=4 + 9 - 1)]
    con = counted("gccf", "contrastive", layers=3, negative_items=False)
    assert con["projection"] == [roofline.dense(5 + 2, 8, 7, 6, learning_inputs=False)]
    assert con["alignment"][1] == roofline.log_sum_exp(2, 2, 6)
    gen = counted("gccf", "generative", layers=3, mask_ratio=0.5)
    assert gen["projection"] == [roofline.dense(4, 6, 7, 8)]
    # logits at the hidden layer's width of 7, gradients at the text's of 8: the mean of both, twice
    assert gen["alignment"] == [roofline.log_sum_exp(4, 4, 7.5, constants=True)]


@pytest.mark.parametrize("backbone", ["gccf", "autocf"])
def test_the_bound_counts_the_entries_of_the_models_graphs(backbone):
    bound = measure.Bound(measure.Task("30000", backbone, "base", "cpu", 0))
    shape, graph = bound._shape(bound.model), bound.model.backbone.graph
    assert shape.entries == len(graph.rows) == 60_000 + graph.n_nodes * bound.options["self_loops"]
    assert shape.output == 32 * (3 if backbone == "gccf" else 1)
    if backbone == "autocf":
        assert 0 < shape.drawn[0] < shape.entries and shape.drawn[1] > shape.drawn[0] + graph.n_nodes
    assert len(bound.steps) == len(bound.sampler)


def test_each_part_takes_the_longer_of_its_times():
    machine = roofline.Machine(bandwidth=10.0, flops=2.0)
    parts = {"moving": [roofline.Work(100, 1)], "computing": [roofline.Work(10, 6), roofline.Work(0, 2)]}
    assert roofline.seconds(parts, machine) == 10 + 3 + 1


def test_measured_speeds_are_those_of_a_computer():
    machine = roofline.measure(2**20, repeats=1)
    assert 1e8 < machine.bandwidth < 1e13 and 1e8 < machine.flops < 1e15


# Tables and figures


def row(backbone, alignment, implementation, epoch, **more):
    values = {"backbone": backbone, "alignment": alignment, "implementation": implementation, "epoch_s": epoch}
    return {"dataset": "amazon", "device": "cpu", "width": 384, "threads": 2, "gpu_mib": None} | values | more


def rows():
    ours = {"engine": "dgl", "evaluation_s": 0.2, "memory_mib": 600.0}
    found = []
    for backbone, factor in {"gccf": 0.8, "lightgcn": 1, "sgl": 20, "simgcl": 20, "dccf": 9, "autocf": 30}.items():
        for kind, more in {"base": 1, "contrastive": 12, "generative": 3}.items():
            found.append(row(backbone, kind, "ours", 0.3 * factor * more, **ours))
            found.append(row(backbone, kind, "textbook", 3 * factor * more, evaluation_s=2.0, memory_mib=1200.0))
            found.append(row(backbone, kind, "roofline", 0.06 * factor * more, gb_per_s=50.0))
    return found + [row("lightgcn", "base", "pyg", 2.4), row("lightgcn", "base", "pyg-csr", 0.75)]


@pytest.fixture(scope="module")
def table():
    return report.tidy(rows(), report.public("amazon", "cpu", 384))


def test_the_table_sets_everyone_beside_ours(table):
    layout = report.layout(table).set_index(["backbone", "alignment"])
    assert len(layout) == 18 and layout.index[0] == ("gccf", "base")
    line = layout.loc[("lightgcn", "base")]
    assert line["epoch [s]"] == "0.3" and line["textbook, epoch [s]"] == "3 (10x)"
    assert line["pyg-csr, epoch [s]"] == "0.75 (2.5x)" and line["public, epoch [s]"] == "2.2"
    assert line["lower bound [s]"] == "0.06 (ours 5x)"
    assert line["public, evaluation [s]"] == "2.6" and line["textbook, memory [MiB]"] == "1200 (2x)"


def test_speedups_are_over_the_cells_that_both_have(table):
    assert report.speedups(table) == (
        "textbook: 10.0 to 10.0 times in 18; pyg: 8.0 to 8.0 times in 1; pyg-csr: 2.5 to 2.5 times in 1"
    )


def test_published_seconds_need_the_same_width_and_hardware():
    assert set(report.public("amazon", "cpu", 1536)["alignment"]) == {"base"}  # base reads no text
    gpu = report.public("amazon", "cuda", 1536)
    assert set(gpu["implementation"]) == {"public", "paper"} and len(gpu) == 6 + 18
    assert report.public("yelp", "cpu", 384).empty


def test_public_numbers_name_their_source():
    table = pd.read_csv(ROOT / "benchmarks/public.csv")
    assert table["source"].notna().all() and (table["seconds"] > 0).all()
    assert not table.duplicated(["dataset", "hardware", "backbone", "alignment", "measure"]).any()


def grown(power=1.0):
    sizes = np.array([1e5, 1e6, 1e7])
    return pd.DataFrame({"interactions": sizes, **{name: 1e-6 * sizes**power for name in report.MEASURES}})


FIGURES = {"points": lambda table: report.points(table), "growth": lambda _: report.growth(grown(), 20 * 1024)}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_twice_and_nothing_is_cut_off(name, table):
    images = []
    for _ in range(2):
        buffer = io.BytesIO()
        FIGURES[name](table).savefig(buffer, dpi=60, metadata={"Software": None})
        images.append(buffer.getvalue())
    assert images[0] == images[1]
    assert 0.02 < (np.asarray(Image.open(io.BytesIO(images[0])).convert("L")) < 250).mean() < 0.6
    figure = FIGURES[name](table)
    with theme.theme():
        box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width <= theme.PAGE and box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_marks_stand_at_the_measured_seconds_on_a_logarithmic_axis(table):
    figure = report.points(table)
    base, contrastive, _ = figure.axes
    assert base.get_xscale() == "log" and base.get_title("left") == "Base"
    marks = {line.get_label(): line.get_xdata() for line in base.lines}
    assert marks["RepRec"][0] == pytest.approx(0.24) and marks["textbook: plain torch"][0] == pytest.approx(2.4)
    bounds = marks["lower bound of the machine"]
    assert bounds == pytest.approx([0.06 * factor for factor in (0.8, 1, 20, 20, 9, 30)])
    assert "textbook: " in figure.get_suptitle() and not base.patches  # no bar, which has no length on such an axis


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_slope_is_the_exponent(power):
    frame = grown(power)
    assert report.slope(frame["interactions"], frame["epoch_s"]) == pytest.approx(power)
    assert f"slope {power:.2f}" in report.growth(frame).axes[0].get_title("left")


def test_steepest_names_the_steps_where_time_grows_most_and_the_last():
    frame = grown().assign(own_mib=[1.0, 5.0, 40.0], epoch_s=[1.0, 9.0, 90.0])
    assert report.steepest(frame) == "1e+06 to 1e+07: 10.0 times the interactions, 10.0 the time, 8.0 the memory"
    frame["epoch_s"] = [1.0, 30.0, 240.0]
    first, last = report.steepest(frame[::-1]).split("; ")
    assert first == "1e+05 to 1e+06: 10.0 times the interactions, 30.0 the time, 5.0 the memory"
    assert last == "1e+06 to 1e+07: 10.0 times the interactions, 8.0 the time, 8.0 the memory"


# The commands


class Clock:
    """A contestant whose turns take as long as it says."""

    def __init__(self, task):
        self.seconds, self.asked = float(task.width), 0

    def call(self, name):
        self.asked += name == "epoch"
        return {"epoch": self.seconds + self.asked, "evaluation": None, "about": {"asked": self.asked}}[name]

    def close(self):
        pass


def test_slow_implementations_take_fewer_turns(monkeypatch):
    monkeypatch.setattr(measure, "Apart", lambda kind, task: Clock(task))
    tasks = [
        measure.Task("amazon", "sgl", "base", "cpu", 20),
        measure.Task("amazon", "sgl", "base", "cpu", 20, "textbook"),
        measure.Task("amazon", "sgl", "base", "cpu", 1, "pyg"),
    ]
    ours, slow, quick = measure.in_turns(tasks, 5, SimpleNamespace(update=lambda: None))
    assert [made["asked"] for made in (ours, slow, quick)] == [6, 2, 6]
    assert [made["turns"] for made in (ours, slow, quick)] == [5, 1, 5]
    assert [made["epoch_s"] for made in (ours, slow, quick)] == [24, 22, 5]  # medians, without the turn to warm up


def test_the_command_runs_and_saves(tmp_path, capsys):
    assert command.main(["10000", "lightgcn", "base", "--quick", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "lower bound [s]" in printed.out
    assert importlib.util.find_spec("torch_geometric") or "pip install torch_geometric" in printed.err
    table = pd.read_csv(tmp_path / "10000-cpu.csv").set_index("implementation")
    assert {"ours", "textbook", "roofline"} <= set(table.index)
    assert (table["epoch_s"] > 0).all() and table.loc["ours", "memory_mib"] > 50
    assert table.loc["roofline", "epoch_s"] < table.loc["ours", "epoch_s"]
    for name in ("10000-cpu.md", "10000-cpu-figure.png"):
        said = why.why(tmp_path / name)
        assert "benchmarks/__main__.py" in said and "as it was saved" in said
        (machine,) = records.sidecar(tmp_path / name)["runs"]
        assert machine["settings"]["dataset"] == "10000" and machine["settings"]["epochs"] == 1
        assert {"git", "versions", "machine"} <= machine.keys()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["amazom"], "amazon"), (["amazon", "lightgnc"], "lightgcn"), (["amazon", "lightgcn", "kontrastive"], "known")],
)
def test_a_misspelt_name_is_one_sentence(arguments, says, capsys):
    assert command.main(arguments) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_growth_runs_and_saves(tmp_path, capsys):
    arguments = ["--sizes", "3000", "--steps", "2", "--batches", "4", "--out", str(tmp_path)]
    assert growth.main(arguments) == 0
    table = pd.read_csv(tmp_path / "growth-cpu.csv")
    assert table["interactions"].tolist() == [3000] and table["batch"].tolist() == [750]
    times = table["sampling_s"] + table["batches"] * table["step_s"]
    np.testing.assert_allclose(table["epoch_s"], times, rtol=1e-3)
    assert (table["own_mib"] < table["memory_mib"]).all() and (table["user_s"] > 0).all()
    assert (tmp_path / "growth-cpu-figure.png").exists()


def test_growth_without_memory_is_one_sentence(tmp_path, capsys):
    assert growth.main(["--sizes", "3e6", "--memory", "0.7", "--out", str(tmp_path)]) == 2
    assert re.search("3,000,000 interactions are left out: .*memory", capsys.readouterr().err)


class Hungry:
    """Something that is killed while it works."""

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_one_sentence():
    hungry = Apart(Hungry)
    with pytest.raises(UserError, match="killed, probably for want of memory"):
        hungry.call("die")
    hungry.close()
