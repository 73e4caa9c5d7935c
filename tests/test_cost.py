"""Costs as runs recorded them, numbers to train against the layers' own sizes, scoring from stored vectors alone."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from made_runs import metrics_of

from lib.analysis import cost
from lib.analysis.published import published_table
from lib.core.files import ROOT
from lib.evaluation import ranking
from lib.training.run_settings import resolve

DATA = toys.interactions(60, 80, seed=3)


def run(alignment="base", seconds=(1.0, 9.0, 2.0), **manifest):
    settings = resolve("movielens-100k", "lightgcn", alignment)
    vectors = torch.randn(140, 8, generator=torch.Generator().manual_seed(len(alignment)))
    machine = {"machine": {"cpu": "chip", "cpus": 2, "gpu": None}, "device": "cpu", "seconds": 20.0}
    per_user = ranking.evaluate(vectors, 60, DATA.train, DATA.test)
    return SimpleNamespace(
        settings=settings,
        history=pd.DataFrame({"epoch": range(3), "seconds": seconds}),
        metrics=metrics_of(per_user),
        manifest={**machine, "peak_memory": 2**29, **manifest},
        final=vectors,
        per_user=per_user,
    )


def test_training_costs_are_those_of_history_and_manifest():
    (row,) = cost.training_costs([run(), run("contrastive", copied_from="elsewhere")]).to_dict("records")
    assert (row["seconds"], row["epochs"]) == (12.0, 3)  # of all epochs, though the last process took 20 s
    assert (row["peak_memory"], row["machine"], row["alignment"]) == (0.5, "2 x chip", "base")
    assert row["recall@20"] == run().per_user["recall@20"].mean()


def test_the_machine_is_the_device_that_computed():
    machine = {"cpu": "chip", "cpus": 2, "gpu": "card"}
    assert cost.device_in_words({"machine": machine, "device": "cuda"}) == "card"
    assert cost.device_in_words({"machine": machine, "device": "cpu"}) == "2 x chip"


def test_ratios_to_base_stand_beside_the_papers():
    rows = [("movielens-100k", "gccf", kind, seconds) for kind, seconds in
            [("base", 2.0), ("base@generative", 1.0), ("contrastive", 5.0), ("generative", 3.0)]]  # fmt: skip
    own = pd.DataFrame(rows, columns=["dataset", "backbone", "alignment", "seconds_per_epoch"])
    published = published_table("rlmrec_epoch_seconds")
    found = cost.against_base(own, published).set_index("alignment")
    assert found["ours"].to_dict() == {"contrastive": 2.5, "generative": 1.5}
    assert found.loc["generative", "matched"] == 3 and np.isnan(found.loc["contrastive", "matched"])
    mean = np.mean([1.95 / 0.88, 2.39 / 1.11, 4.32 / 2.05])  # the paper has no MovieLens: all three datasets
    assert found.loc["contrastive", "paper"] == pytest.approx(mean)
    same = cost.against_base(own.assign(dataset="amazon"), published).set_index("alignment")
    assert same.loc["generative", "paper"] == pytest.approx(1.72 / 0.88)


def test_epochs_are_timed_in_turns(monkeypatch):
    """The clock is the number of epochs trained so far, and models need 1, 2, ... ticks; equal settings once."""
    trained, clock = [], [0.0]
    cells = [resolve("movielens-100k", "gccf", kind) for kind in ("base", "contrastive", "base@contrastive")]
    cells += [resolve("amazon", "sgl", kind, scale="tiny") for kind in ("base", "base@generative")]

    def train(step, sampler, generator, epoch):
        model = step.args[0]
        trained.append(type(model.backbone).__name__ + type(model.alignment).__name__)
        clock[0] += len(trained)  # later turns are slower, so that the first measured one is the best

    monkeypatch.setattr(cost, "train_epoch", train)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    found = cost.epoch_seconds(cells, DATA, toys.text(DATA, width=10), repeats=2)
    turn = len(trained) // 3
    assert trained == trained[:turn] * 3 and turn == 4  # sgl's base has the settings of its base@generative
    assert found["seconds_per_epoch"].tolist() == [5, 6, 7, 8, 8]  # the second turn: the first one warms up


def test_each_number_of_threads_is_measured_and_the_one_from_before_returns(monkeypatch):
    """A base of 6 seconds on one thread that gains nothing by more, an aligned model of 24 that is twice as fast."""
    before, cells = torch.get_num_threads(), [resolve("amazon", "gccf", kind) for kind in ("base", "contrastive")]

    def epoch_seconds(cells, data, text, repeats):
        count = torch.get_num_threads()
        names = {"backbone": [cell.backbone for cell in cells], "alignment": [cell.alignment for cell in cells]}
        return pd.DataFrame(names | {"seconds_per_epoch": [6.0, 24 / count], "threads": count})

    monkeypatch.setattr(cost, "epoch_seconds", epoch_seconds)
    found = cost.by_threads(cells, DATA, None, 1, [1, 2]).set_index(["alignment", "threads"])
    assert found["times_base"].to_dict() == {
        ("base", 1): 1, ("contrastive", 1): 4, ("base", 2): 1, ("contrastive", 2): 2
    }  # fmt: skip
    assert torch.get_num_threads() == before


def test_a_gpu_is_measured_with_one_number_of_threads(monkeypatch):
    monkeypatch.setattr(cost.os, "cpu_count", lambda: 6)
    assert cost.thread_counts() == sorted({1, torch.get_num_threads(), 6})
    monkeypatch.setattr(cost, "pick_device", lambda: "cuda")
    assert cost.thread_counts() == [torch.get_num_threads()]


def test_ratios_of_the_papers_code_stay_within_a_hardware():
    found = cost.by_hardware(pd.read_csv(ROOT / "benchmarks/public.csv"))
    at = found.set_index(["dataset", "hardware", "backbone", "alignment"])["times_base"]
    assert at["amazon", "two cores", "lightgcn", "contrastive"] == pytest.approx(26 / 2.2)
    assert at["amazon", "H200", "lightgcn", "generative"] == pytest.approx(0.86 / 0.69)
    assert at["steam", "RTX 3090", "gccf", "generative"] == pytest.approx(3.33 / 2.05)
    assert ("H200", "dccf") not in set(zip(found["hardware"], found["backbone"], strict=True))  # its base was not timed


def test_an_epoch_of_each_kind_is_really_trained():
    cells = [resolve("movielens-100k", "lightgcn", kind) for kind in ("base", "contrastive", "generative")]
    found = cost.epoch_seconds(cells, DATA, toys.text(DATA, width=10), repeats=1)
    assert (found["seconds_per_epoch"] > 0).all() and len(found) == 3
    assert set(found["threads"]) == {torch.get_num_threads()} and cost.this_machine()


def test_numbers_of_each_part():
    text = toys.text(DATA, width=10)
    settings = resolve("movielens-100k", "gccf", "contrastive")
    found = cost.parameter_counts(settings, DATA, text)
    d, layers = settings.protocol.embedding_size, settings.backbone_settings["layers"]
    width = d * (layers + 1)
    hidden = (10 + width) // 2
    assert found["ego_table"] == 140 * d and found["final_vectors"] == 140 * width
    assert found["alignment_only"] == (10 + 1) * hidden + (hidden + 1) * width
    base = cost.parameter_counts(resolve("movielens-100k", "gccf"), DATA, None)
    assert base == {**found, "alignment_only": 0} and base["other_backbone"] == 0
    intents = cost.parameter_counts(resolve("movielens-100k", "dccf"), DATA, None)
    assert intents["other_backbone"] == 2 * d * 128


def test_the_papers_projector():
    """docs/methods/rlmrec.md 3.1: 1,230,128 parameters for 1536-d text and D = 32."""
    settings = resolve("amazon", "lightgcn", "contrastive", scale="paper")
    assert cost.parameter_counts(settings, DATA, toys.text(DATA, width=1536))["alignment_only"] == 1_230_128


def test_scoring_needs_the_final_vectors_alone():
    pd.testing.assert_frame_equal(cost.rescored(run(), DATA), run().per_user)


def test_scoring_seconds_measure_every_run():
    found = cost.scoring_seconds([run(), run("contrastive")], DATA, repeats=2)
    assert found["alignment"].tolist() == ["base", "contrastive"] and set(found["width"]) == {8}
    assert (found["seconds"] > 0).all()
