"""The user-item graph, and the products with its adjacency that all backbones are made of.

Users are nodes 0 .. n_users-1 and items follow. With R the binary train matrix [n_users, n_items] the adjacency is
A = [[0, R], [R^T, 0]]: row i has an entry in column j where node i receives from node j.

Products with constant weights (`propagate`, `sum_neighbours`) are computed by the engine that graph_engine.py chooses.
Where weights are learnt (`dots`, `weighted_mean`) both engines use torch's sparse matrices in CSR layout: its sampled
and sparse products took a fifth of the time of DGL's weighted kernels.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.models.graph_engine import choose_engine, load_dgl


class _Sum(torch.autograd.Function):
    """matrix @ x whose backward multiplies by a given transpose; torch's own CSR backward converts it each time."""

    @staticmethod
    def forward(ctx, x, matrix, transposed):
        ctx.transposed = transposed
        return matrix @ x

    @staticmethod
    def backward(ctx, gradient):
        return ctx.transposed @ gradient, None, None


class _Dots(torch.autograd.Function):
    """s_ij = x_i . y_j for every entry (i, j). With g_ij the gradient of s_ij, that of x_i is sum_j g_ij y_j, and that
    of y_j is sum_i g_ij x_i: products with the sparse matrix of the g_ij and with its transpose.
    """

    @staticmethod
    def forward(ctx, graph, x, y):
        ctx.graph = graph
        ctx.save_for_backward(x, y)
        return graph._sampled(x, y)

    @staticmethod
    def backward(ctx, gradient):
        graph, (x, y) = ctx.graph, ctx.saved_tensors
        transposed = graph._csr(gradient.index_select(0, graph._mirror))
        return None, graph._csr(gradient) @ y, transposed @ x


class _WeightedSum(torch.autograd.Function):
    """z_i = sum_j w_ij x_j over the entries of row i. With g_i the gradient of z_i, that of w_ij is g_i . x_j, and that
    of x_j is sum_i w_ij g_i.
    """

    @staticmethod
    def forward(ctx, graph, weights, x):
        ctx.graph = graph
        ctx.save_for_backward(weights, x)
        return graph._csr(weights) @ x

    @staticmethod
    def backward(ctx, gradient):
        graph, (weights, x) = ctx.graph, ctx.saved_tensors
        transposed = graph._csr(weights.index_select(0, graph._mirror))
        return None, graph._sampled(gradient, x), transposed @ gradient


@dataclass(frozen=True)
class Graph:
    """The entries of an adjacency A, sorted by row, and the degree factors D^-1/2; made by `bipartite`.

    A is symmetric, except after `drop_edges`.
    """

    rows: Tensor  # [n_entries] int32, the node that receives
    columns: Tensor  # [n_entries] int32, the node that it receives from
    scale: Tensor  # [n_nodes, 1] float32, D^-1/2; 0 where the degree is 0
    n_users: int
    n_items: int
    engine: str
    full: "Graph | None" = None  # of a graph with dropped entries: the whole graph
    kept: Tensor | None = None  # [n_entries] bool, the entries that were not dropped; None: all are there

    @property
    def n_nodes(self) -> int:
        """Number of users and items together."""
        return self.n_users + self.n_items

    # Products with the adjacency

    def propagate(self, x: Tensor) -> Tensor:
        """One layer of symmetrically normalised propagation, D^-1/2 A D^-1/2 x: [n_nodes, d] -> [n_nodes, d].

        Node i receives sum_j x_j / sqrt(degree_i degree_j). Since the factors need no sum, they stay outside of it:
        what is left is a sum over neighbours without edge weights, the cheapest kernel there is. Compared with the
        dense product by tests/test_graph.py.
        """
        return self.scale * self.sum_neighbours(self.scale * x)

    def sum_neighbours(self, x: Tensor) -> Tensor:
        """Plain sum over neighbours, A x: [n_nodes, d] -> [n_nodes, d]."""
        if self.engine == "dgl":
            return load_dgl()[0].ops.copy_u_sum(self._dgl_graph, x)
        return _Sum.apply(x, *self._matrices)

    def dots(self, x: Tensor, y: Tensor) -> Tensor:
        """x[row] . y[column] of every entry: two tables [n_nodes, d] -> [n_entries]; not for a dropped graph.

        In plain form (x @ y.T)[rows, columns], of which only the entries are computed.
        """
        return _Dots.apply(self, x, y)

    def weighted_mean(self, weights: Tensor, x: Tensor) -> Tensor:
        """Mean of x over the neighbours of each node, by weights: [n_entries], [n_nodes, d] -> [n_nodes, d].

        In plain form, with W the dense matrix of the weights, W @ x / (W.sum(1, keepdim=True) + 1e-8); a node without
        neighbours gets 0. Not for a dropped graph. Compared with the dense form by tests/test_graph.py.
        """
        sums = _WeightedSum.apply(self, weights, F.pad(x, (0, 1), value=1))  # the column of ones sums the weights
        return sums[:, :-1] / (sums[:, -1:] + 1e-8)

    # Other graphs between the same nodes

    def with_entries(self, rows: Tensor, columns: Tensor) -> "Graph":
        """A graph of other entries between the same nodes, with degree factors of its own.

        The entries come in any order, repeated ones count once, and (j, i) must be there when (i, j) is.
        """
        # as whole numbers, `unique` merges and sorts entries by row; the public code decodes them in float32, which
        # moves some rows (docs/methods/rlmrec.md Q11)
        keys = (rows.long() * self.n_nodes + columns.long()).unique()
        rows, columns = keys // self.n_nodes, keys % self.n_nodes
        scale = _degree_factors(rows, self.n_nodes)
        return replace(self, rows=rows.int(), columns=columns.int(), scale=scale, full=None, kept=None)

    def drop_edges(self, keep_rate: float, generator: torch.Generator) -> "Graph":
        """This graph with every entry kept with probability `keep_rate`, independently.

        In plain form D^-1/2 (A * K) D^-1/2, with which tests/test_graph.py compares it; K is a matrix of independent
        zeros and ones. As in the public code (docs/methods/rlmrec.md Q7) K is not symmetric, so an edge may be lost in
        one direction only, what is left is not divided by `keep_rate`, and D stays that of the whole graph.
        """
        kept = torch.rand(len(self.rows), generator=generator, device=self.rows.device) < keep_rate
        return replace(self, full=self, kept=kept)

    # How the engines hold the entries

    @cached_property
    def _dgl_graph(self):
        """DGL's graph: CSR by the receiving node, which DGL calls CSC since a message goes from column to row."""
        pointers, columns = (self.full or self)._csr_indices
        if self.kept is not None:  # a row begins where as many entries are kept as before it
            left = F.pad(self.kept.cumsum(0, dtype=torch.int32), (1, 0))  # how many of the first 0, 1, ... entries
            pointers, columns = left[pointers], columns[self.kept]
        empty = torch.empty(0, dtype=pointers.dtype, device=pointers.device)  # edge numbers, which nothing needs
        return load_dgl()[0].graph(("csc", (pointers, columns, empty)), num_nodes=self.n_nodes)

    @cached_property
    def _matrices(self) -> tuple[Tensor, Tensor]:
        """The adjacency and its transpose as torch CSR.

        Dropped entries stay as zeros: the index arrays are those of the whole graph, and only values are written.
        """
        if self.full is None:
            matrix = self._csr(torch.ones(len(self.rows), device=self.scale.device))
            return matrix, matrix  # symmetric
        values = self.kept.to(self.scale.dtype)  # 1 or 0
        return self.full._csr(values), self.full._csr(values[self.full._mirror])

    def _sampled(self, x: Tensor, y: Tensor) -> Tensor:
        """x[row] . y[column] of every entry [n_entries], outside autograd."""
        zeros = self._csr(torch.zeros(len(self.rows), device=x.device))
        return torch.sparse.sampled_addmm(zeros, x, y.T, beta=0).values()

    def _csr(self, values: Tensor) -> Tensor:
        """The sparse matrix [n_nodes, n_nodes] with these values [n_entries] at the graph's entries."""
        pointers, columns = self._csr_indices
        size = (self.n_nodes, self.n_nodes)
        with warnings.catch_warnings():  # torch calls its CSR layout beta, once per process
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            return torch.sparse_csr_tensor(pointers, columns, values, size, check_invariants=False)

    @cached_property
    def _csr_indices(self) -> tuple[Tensor, Tensor]:
        """Where each row begins among the entries [n_nodes + 1], and the columns [n_entries]."""
        counts = torch.bincount(self.rows, minlength=self.n_nodes)
        return F.pad(counts.cumsum(0), (1, 0)).int(), self.columns

    @cached_property
    def _mirror(self) -> Tensor:
        """Place of entry (j, i) for each entry (i, j): [n_entries].

        Values taken at these places are those of the transpose, whose index arrays are the same: the pattern is
        symmetric. Sorting the entries by column and then row puts (j, i) where (i, j) stands in the order by row.
        """
        return torch.argsort(self.columns.long() * self.n_nodes + self.rows.long())


def _degree_factors(rows: Tensor, n: int) -> Tensor:
    """D^-1/2 as [n, 1] float32, 0 where the degree is 0; rounded once, from float64."""
    degrees = torch.bincount(rows, minlength=n)[:, None].double()
    return torch.where(degrees > 0, degrees.clamp(min=1).rsqrt(), 0).float()


def bipartite(train: sp.csr_matrix, self_loops: bool = False, device="cpu", engine: str | None = None) -> Graph:
    """The graph of a train matrix [n_users, n_items], whatever its values (docs/methods/rlmrec.md 0).

    Every interaction makes two entries, one in each direction; `self_loops` adds one per node.
    """
    n_users, n_items = train.shape
    binary = sp.csr_matrix((np.ones(train.nnz, np.float32), train.indices, train.indptr), train.shape)
    adjacency = sp.block_array([[None, binary], [binary.T, None]], format="csr")
    if self_loops:
        adjacency = adjacency + sp.eye_array(n_users + n_items, format="csr", dtype=np.float32)
    adjacency = sp.coo_array(adjacency.tocsr())  # by way of CSR the entries are sorted by row
    rows, columns = (torch.from_numpy(index.astype(np.int32)).to(device) for index in (adjacency.row, adjacency.col))
    scale = _degree_factors(rows, n_users + n_items)
    return Graph(rows, columns, scale, n_users, n_items, choose_engine(device, engine))
