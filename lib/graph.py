"""The user-item graph and its propagation; the one place that knows the graph engine.

Users are nodes 0..n_users-1 and items follow. The adjacency is symmetric, so the backward pass of a product with it is
the same product. The degree factors stay outside the sum: D^-1/2 A D^-1/2 x = D^-1/2 * sum(D^-1/2 * x), which is plain
message passing without edge weights (DGL's copy_u / sum). Where weights are learnt (`dots`, `weighted_mean`), both
engines use torch CSR: its sampled and sparse products took a fifth of the time of DGL's weighted kernels.
"""

import importlib
import os
import warnings
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.files import UserError

ENGINES = ("dgl", "torch")


@lru_cache
def _dgl():
    """DGL, or the reason why it cannot be used here."""
    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise its first import writes a file into the user's home
    try:
        return importlib.import_module("dgl"), ""
    except Exception as error:  # DGL fails in many ways: no wheel, wrong glibc, wrong torch
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


@lru_cache
def _dgl_on(device_type: str) -> bool:
    """Whether the installed DGL can hold a graph on this type of device."""
    dgl, _ = _dgl()
    if dgl is None:
        return False
    try:
        dgl.graph(([0], [0])).to(device_type)
    except Exception:
        return False
    return True


def choose_engine(device="cpu", engine: str | None = None) -> str:
    """Name of the graph engine for `device`: DGL where it works, torch CSR elsewhere; raises UserError."""
    if engine not in (None, *ENGINES):
        raise UserError(f"unknown graph engine '{engine}': known: {', '.join(ENGINES)}")
    usable = _dgl_on(torch.device(device).type)
    if engine == "dgl" and not usable:
        raise UserError(
            f"the graph engine dgl does not work on {device} here ({_dgl()[1] or 'built without it'}): use torch"
        )
    return engine or ("dgl" if usable else "torch")


def engine_report(device="cpu") -> str:
    """One line for people: which engine is used on `device`, and why."""
    dgl, reason = _dgl()
    if choose_engine(device) == "dgl":
        return f"dgl {dgl.__version__}"
    return f"torch CSR (dgl: {reason or f'not built for {device}'})"


class _SymmetricSum(torch.autograd.Function):
    """matrix @ x whose backward multiplies by an explicit transpose; torch's own CSR backward converts it each time."""

    @staticmethod
    def forward(ctx, x, matrix, transposed):
        ctx.transposed = transposed
        return matrix @ x

    @staticmethod
    def backward(ctx, gradient):
        return ctx.transposed @ gradient, None, None


class _Dots(torch.autograd.Function):
    """x[row] . y[column] of every entry; the gradients are sums over entries weighted by the gradient."""

    @staticmethod
    def forward(ctx, graph, x, y):
        ctx.graph = graph
        ctx.save_for_backward(x, y)
        return graph._sampled(x, y)

    @staticmethod
    def backward(ctx, gradient):
        graph, (x, y) = ctx.graph, ctx.saved_tensors
        return None, graph._csr(gradient) @ y, graph._csr(gradient.index_select(0, graph._mirror)) @ x


class _WeightedSum(torch.autograd.Function):
    """Sum over each row's entries of weight * x[column]; the weights' gradients are dot products."""

    @staticmethod
    def forward(ctx, graph, weights, x):
        ctx.graph = graph
        ctx.save_for_backward(weights, x)
        return graph._csr(weights) @ x

    @staticmethod
    def backward(ctx, gradient):
        graph, (weights, x) = ctx.graph, ctx.saved_tensors
        return None, graph._sampled(gradient, x), graph._csr(weights.index_select(0, graph._mirror)) @ gradient


@dataclass(frozen=True)
class Graph:
    """Entries of the adjacency (a row receives from a column; sorted by row) and the degree factors [n_nodes, 1]."""

    rows: Tensor  # [n_entries] int32
    columns: Tensor  # [n_entries] int32
    scale: Tensor  # [n_nodes, 1] float32, D^-1/2 of the whole graph, 0 where the degree is 0
    n_users: int
    n_items: int
    engine: str
    full: "Graph | None" = None  # the whole graph, if this one is it without some entries
    kept: Tensor | None = None  # [n_entries] bool, which entries those are not; None: all are there

    @property
    def n_nodes(self) -> int:
        """Number of users and items together."""
        return self.n_users + self.n_items

    def propagate(self, x: Tensor) -> Tensor:
        """One layer of symmetrically normalised propagation, D^-1/2 A D^-1/2 x: [n_nodes, d] -> [n_nodes, d]."""
        return self.scale * self.sum_neighbours(self.scale * x)

    def sum_neighbours(self, x: Tensor) -> Tensor:
        """Plain sum over neighbours, A x: [n_nodes, d] -> [n_nodes, d]."""
        if self.engine == "dgl":
            return _dgl()[0].ops.copy_u_sum(self._dgl_graph, x)
        return _SymmetricSum.apply(x, *self._matrices)

    def dots(self, x: Tensor, y: Tensor) -> Tensor:
        """x[row] . y[column] of every entry: two tables [n_nodes, d] -> [n_entries]; not for a dropped graph."""
        return _Dots.apply(self, x, y)

    def weighted_mean(self, weights: Tensor, x: Tensor) -> Tensor:
        """Mean of x over each row's entries, by weights: [n_entries], [n_nodes, d] -> [n_nodes, d]; else 0."""
        sums = _WeightedSum.apply(self, weights, F.pad(x, (0, 1), value=1))  # the column of ones sums the weights
        return sums[:, :-1] / (sums[:, -1:] + 1e-8)

    def with_entries(self, rows: Tensor, columns: Tensor) -> "Graph":
        """A graph of other entries between the same nodes, with its own degree factors.

        The entries come in any order, repeated ones count once, and (i, j) must be there when (j, i) is.
        """
        keys = (rows.long() * self.n_nodes + columns.long()).unique()
        # whole-number division: in float32, as in the public code, some rows come out wrong (spec rlmrec Q11)
        rows, columns = keys // self.n_nodes, keys % self.n_nodes
        scale = _degree_factors(rows, self.n_nodes)
        return replace(self, rows=rows.int(), columns=columns.int(), scale=scale, full=None, kept=None)

    def drop_edges(self, keep_rate: float, generator: torch.Generator) -> "Graph":
        """Keep each stored entry with probability `keep_rate`.

        As in the public code (spec rlmrec Q7) the two directions of an edge are dropped independently, the rest is not
        rescaled and the degrees stay those of the whole graph.
        """
        kept = torch.rand(len(self.rows), generator=generator, device=self.rows.device) < keep_rate
        return replace(self, full=self, kept=kept)

    @cached_property
    def _dgl_graph(self):
        pointers, columns = (self.full or self)._csr_indices
        if self.kept is not None:
            left = F.pad(self.kept.cumsum(0, dtype=torch.int32), (1, 0))  # how many of the first 0, 1, ... entries
            pointers, columns = left[pointers], columns[self.kept]
        empty = torch.empty(0, dtype=pointers.dtype, device=pointers.device)
        return _dgl()[0].graph(("csc", (pointers, columns, empty)), num_nodes=self.n_nodes)

    @cached_property
    def _matrices(self) -> tuple[Tensor, Tensor]:
        """The adjacency and its transpose as torch CSR; dropped entries stay as zeros, which keeps the index arrays."""
        if self.full is None:
            matrix = self._csr(torch.ones(len(self.rows), device=self.scale.device))
            return matrix, matrix
        values = self.kept.to(self.scale.dtype)
        return self.full._csr(values), self.full._csr(values[self.full._mirror])

    def _sampled(self, x: Tensor, y: Tensor) -> Tensor:
        zeros = self._csr(torch.zeros(len(self.rows), device=x.device))
        return torch.sparse.sampled_addmm(zeros, x, y.T, beta=0).values()

    def _csr(self, values: Tensor) -> Tensor:
        pointers, columns = self._csr_indices
        size = (self.n_nodes, self.n_nodes)
        with warnings.catch_warnings():  # torch calls its CSR layout beta, once per process
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            return torch.sparse_csr_tensor(pointers, columns, values, size, check_invariants=False)

    @cached_property
    def _csr_indices(self) -> tuple[Tensor, Tensor]:
        return _row_pointers(self.rows, self.n_nodes), self.columns

    @cached_property
    def _mirror(self) -> Tensor:
        """Position of entry (j, i) for each entry (i, j): [n_entries]; the pattern is symmetric and sorted by row."""
        return torch.argsort(self.columns.long() * self.n_nodes + self.rows.long())


def _row_pointers(rows: Tensor, n: int) -> Tensor:
    counts = torch.bincount(rows, minlength=n)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)


def _degree_factors(rows: Tensor, n: int) -> Tensor:
    """D^-1/2 as [n, 1], 0 where the degree is 0."""
    degrees = torch.bincount(rows, minlength=n)[:, None].double()
    return torch.where(degrees > 0, degrees.clamp(min=1).rsqrt(), 0).float()


def bipartite(train: sp.csr_matrix, self_loops: bool = False, device="cpu", engine: str | None = None) -> Graph:
    """The graph of a train matrix [n_users, n_items]: 2 nnz entries, n_nodes more with self-loops (spec rlmrec 0)."""
    n_users, n_items = train.shape
    binary = sp.csr_matrix((np.ones(train.nnz, np.float32), train.indices, train.indptr), train.shape)
    adjacency = sp.block_array([[None, binary], [binary.T, None]], format="csr")
    if self_loops:
        adjacency = adjacency + sp.eye_array(n_users + n_items, format="csr", dtype=np.float32)
    adjacency = sp.coo_array(adjacency.tocsr())
    rows, columns = (torch.from_numpy(index.astype(np.int32)).to(device) for index in (adjacency.row, adjacency.col))
    return Graph(
        rows=rows,
        columns=columns,
        scale=_degree_factors(rows, n_users + n_items),
        n_users=n_users,
        n_items=n_items,
        engine=choose_engine(device, engine),
    )
