"""A step of fixed shapes, and what captures it; the last test needs a GPU."""

import warnings
from itertools import chain

import pytest
import torch
import toys
from components import added
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from lib.core.names import ALIGNMENTS, BACKBONES
from lib.models import backbones
from lib.models.batch import Batch
from lib.training import run_settings, step
from lib.training.fit import adam, train_epoch
from lib.training.recommender import build
from lib.training.sampler import Sampler

DATA, SIZE = toys.interactions(), 50
ADDED = added()
CAPTURABLE = [name for name in backbones.names() if backbones.get(name).capturable]
ALL = [*((backbone, kind) for backbone in BACKBONES for kind in ALIGNMENTS), ("lightgcn", "kar"), *ADDED]
CELLS = [(backbone, kind) for backbone, kind in ALL if backbone in CAPTURABLE]


def settings_of(backbone, kind):
    return ADDED.get((backbone, kind)) or run_settings.resolve("amazon", backbone, kind, scale="paper")


def made(backbone, kind, engine="torch", device="cpu"):
    cell = settings_of(backbone, kind)
    cell = cell.model_copy(update={"protocol": toys.protocol(batch_size=SIZE)})
    model = build(cell, DATA, toys.text(DATA) if kind != "base" else None, device, engine)
    return model, adam(model, cell.protocol)


def batches(epochs=1, device="cpu"):
    generator = torch.Generator(device).manual_seed(0)
    sampler = Sampler(DATA.train, SIZE, device)
    return chain.from_iterable(sampler.epoch(generator) for _ in range(epochs))


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_distinct_indices_of_fixed_shape_are_those_of_unique(indices):
    indices = torch.tensor(indices)
    free = Batch(indices, indices, indices, 0, torch.Generator())
    values, places, counts = free._replace(fixed=True).distinct(indices)
    there = counts > 0
    assert len(values) == len(places) == len(counts) == len(indices)
    assert torch.equal(values[places], indices)
    for one, other in zip((values[there], places, counts[there]), free.distinct(indices), strict=True):
        assert torch.equal(one, other)
    assert set(values[~there].tolist()) <= {indices.min().item()}  # no row that the step does not read anyway


@pytest.mark.parametrize(("backbone", "kind"), CELLS)
def test_fixed_shapes_change_neither_losses_nor_gradients(backbone, kind):
    found = []
    for fixed in (False, True):
        model, _ = made(backbone, kind)
        batch = next(batches())._replace(fixed=fixed)
        terms = model.losses(batch)
        sum(terms.values()).backward()
        found.append((terms, {name: weight.grad for name, weight in model.named_parameters()}))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


class NoShapeFromValues(TorchDispatchMode):
    """Fails at what a CUDA graph cannot hold: shapes that depend on values, and values read by the program."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if function.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_):
            depends = any(index is not None and index.dtype == torch.bool for index in arguments[1])
        else:
            depends = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output} & set(function.tags)
        assert not depends, f"{function} cannot be captured"
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize(("backbone", "kind"), CELLS)
def test_no_shape_of_a_fixed_step_depends_on_values(backbone, kind):
    model, optimizer = made(backbone, kind)
    for batch in list(batches())[:2]:
        step.take(model, optimizer, batch._replace(fixed=True))  # what lasts is made here
    with NoShapeFromValues():
        step.take(model, optimizer, batch._replace(fixed=True))


def test_that_check_sees_what_it_is_for():
    models = {name: made(name, "base") for name in ("sgl", "dccf", "autocf")}
    one, two = list(batches())[:2]
    for model in models.values():
        step.take(*model, one)
    with NoShapeFromValues():
        for name in ("sgl", "dccf"):
            with pytest.raises(AssertionError, match="unique"):
                step.take(*models[name], two)
        with pytest.raises(AssertionError, match="cannot be captured"):
            step.take(*models["autocf"], one._replace(fixed=True))
        with pytest.raises(AssertionError, match="index"):
            torch.arange(3)[torch.tensor([True, False, True])]


class Replays:
    """CUDA graphs as far as a processor can stand in: the same buffers in every replay, for input and output."""

    def __init__(self):
        self.warmed, self.recorded, self.replayed = 0, 0, 0

    def warm_up(self, function):
        self.warmed += 1
        return function()

    def record(self, function, generator):
        self.recorded += 1
        terms = {}

        def replay():
            self.replayed += 1
            for name, value in function().items():
                terms.setdefault(name, torch.empty_like(value)).copy_(value)

        return replay, terms


@pytest.mark.parametrize(("backbone", "kind"), CELLS)
def test_captured_steps_train_to_the_same_bytes(backbone, kind):
    graphs = Replays()
    (plain, optimizer), (model, other) = made(backbone, kind), made(backbone, kind)
    captured = step.Captured(model, other, graphs)
    expected = [step.take(plain, optimizer, batch._replace(fixed=True)) for batch in batches(4)]
    assert [captured(batch) for batch in batches(4)] == expected
    torch.testing.assert_close(weights(model), weights(plain), rtol=0, atol=0)
    per_epoch = -(-DATA.train.nnz // SIZE)
    assert DATA.train.nnz % SIZE and graphs.recorded == 2  # full batches, and the shorter last one
    assert graphs.warmed == 2 * step.WARM_UP and graphs.replayed == 4 * per_epoch - graphs.warmed


def test_a_step_that_cannot_be_recorded_is_a_warning_and_goes_on():
    class Failing(Replays):
        def record(self, function, generator):
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    (plain, optimizer), (model, other) = made("lightgcn", "base"), made("lightgcn", "base")
    captured = step.Captured(model, other, Failing())
    with pytest.warns(UserWarning, match="kernel by kernel: operation not permitted when stream is capturing$"):
        for batch in batches(2):
            captured(batch)
    for batch in batches(2):
        step.take(plain, optimizer, batch._replace(fixed=True))
    torch.testing.assert_close(weights(model), weights(plain), rtol=0, atol=0)


def test_a_processor_takes_steps_as_they_are():
    model, optimizer = made("lightgcn", "base")
    assert step.stepper(model, optimizer).func is step.take


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("backbone", "kind"), ALL)
def test_two_threads_train_to_the_same_bytes_again(backbone, kind, two_threads):
    """At sizes where they share the work: a gradient that they add up with atomics is never twice the same."""
    data, found = toys.interactions(300, 200), []
    cell = settings_of(backbone, kind)
    for _ in range(2):
        model = build(cell, data, toys.text(data, 64) if kind != "base" else None)
        take = step.stepper(model, adam(model, cell.protocol))
        sampler, generator = Sampler(data.train, 4096), torch.Generator().manual_seed(0)
        for epoch in range(2):
            train_epoch(take, sampler, generator, epoch)
        found.append(weights(model))
    torch.testing.assert_close(*found, rtol=0, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize(("backbone", "kind"), [*CELLS, ("autocf", "base")])
def test_a_gpu_replays_to_the_vectors_of_single_kernels(backbone, kind):
    (plain, optimizer), (model, other) = (made(backbone, kind, device="cuda") for _ in range(2))
    chosen = step.stepper(model, other)
    assert isinstance(chosen, step.Captured) == (backbone in CAPTURABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a step that could not be recorded
        terms = [chosen(batch) for batch in batches(4, "cuda")]
    expected = [step.take(plain, optimizer, batch._replace(fixed=True)) for batch in batches(4, "cuda")]
    torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(model.final(), plain.final(), rtol=1e-2, atol=1e-4)
