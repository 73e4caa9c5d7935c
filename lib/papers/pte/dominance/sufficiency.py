"""How much a table U tells of a table V, as the share that a Gaussian model explains: ISI.

    I(U -> V)   = mean over items of  log p(v | u) - log p(v)              nats
    ISI(U -> V) = 1 - exp(-2 max(0, I) / d)                                from 0 (nothing) to 1 (everything)

with p a joint Gaussian of both and d the width of V. Where I is the model's own expectation this is the closed form

    ISI = 1 - (|S_{V|U}| / |S_V|)^(1/d),     S_{V|U} = S_V - S_VU S_U^-1 S_UV

PtE's figure of "ISI scores" comes without a definition; this one turns information sufficiency (Darrin et al.), which
has no upper end, into a share. It is a geometric mean over directions of V, so a single one that is known exactly takes
it to 1; with a sample's own covariance all are as soon as U is as wide as there are items, whatever U is.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

COMPONENTS = 32  # principal components of V
NEGLIGIBLE = 1e-9  # of the first component's variance: a direction that has no more is none


class Coding(NamedTuple):
    """An affine map, fitted on some items: (x - mean) @ axes."""

    mean: np.ndarray  # [d]
    axes: np.ndarray | float  # [d, k], or one factor

    def __call__(self, x) -> np.ndarray:
        centred = x - self.mean
        return centred @ self.axes if np.ndim(self.axes) else centred * self.axes


def scaled(x: np.ndarray) -> Coding:
    """Centred, with a mean variance of 1: one factor for all columns, so that directions keep their proportions."""
    return Coding(x.mean(0), 1 / np.sqrt(max(x.var(0).mean(), np.finfo(float).tiny)))


def principal(x: np.ndarray, components: int = COMPONENTS) -> Coding:
    """The first principal components of x [n, d], each with variance 1: fewer where x has fewer directions."""
    mean = x.mean(0)
    _, singular, directions = np.linalg.svd(x - mean, full_matrices=False)
    some = singular**2 > NEGLIGIBLE * max(singular[0] ** 2, np.finfo(float).tiny)
    kept = slice(min(components, int(some.sum())))
    return Coding(mean, directions[kept].T * np.sqrt(len(x)) / singular[kept])


class JointGaussian:
    """A Gaussian of U [n, d_u] and the principal components of V [n, d_v], with Ledoit and Wolf's covariance.

    ISI itself does not depend on how U and V are scaled, but the shrinkage of the covariance does: towards a multiple
    of the identity, which is what whitened components of unrelated tables have.
    """

    def __init__(self, source: np.ndarray, target: np.ndarray, components: int = COMPONENTS):
        from sklearn.covariance import LedoitWolf  # here, as sklearn takes a second to import

        self.source, self.target = scaled(source), principal(target, components)
        u, v = self.source(source), self.target(target)
        self.width = v.shape[1]
        self.covariance = LedoitWolf(assume_centered=True).fit(np.hstack([u, v])).covariance_
        self.marginal = self.covariance[-self.width :, -self.width :]
        self.weights, self.residual = conditional(self.covariance, u.shape[1])
        self.closed_forms = {
            "closed form": isi(closed_form_information(self.covariance, u.shape[1]), self.width),
            "closed form, unshrunk": isi(sample_information(u, v), self.width),
        }

    def log_ratios(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """log p(v | u) - log p(v) of items [n], in nats, from their rows of both tables."""
        u, v = self.source(source), self.target(target)
        return log_density(v - u @ self.weights, self.residual) - log_density(v, self.marginal)


def conditional(covariance: np.ndarray, n_source: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [d_u, d_v] and covariance [d_v, d_v] of V given U, from their joint covariance with U first."""
    of_u, across, of_v = (
        covariance[:n_source, :n_source],
        covariance[:n_source, n_source:],
        covariance[n_source:, n_source:],
    )
    weights = cho_solve(cho_factor(of_u, lower=True), across)
    residual = of_v - across.T @ weights
    return weights, (residual + residual.T) / 2


def log_density(x: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Log density of rows [n, d] under a Gaussian with mean 0, less what depends on d alone: [n]."""
    root = np.linalg.cholesky(covariance)
    return -0.5 * (solve_triangular(root, x.T, lower=True) ** 2).sum(0) - np.log(np.diag(root)).sum()


def closed_form_information(covariance: np.ndarray, n_source: int) -> float:
    """Mutual information of U (the first n_source variables) and V (the others) under a Gaussian, in nats."""
    _, residual = conditional(covariance, n_source)
    _, before = np.linalg.slogdet(covariance[n_source:, n_source:])
    _, after = np.linalg.slogdet(residual)
    return 0.5 * (before - after)


def sample_information(u: np.ndarray, v: np.ndarray) -> float:
    """The closed form with the covariance of the sample itself, in nats: infinite where a direction of V is known.

    u [n, d_u], v [n, d_v]: centred. This is what an estimator gives that is fitted and read on the same items.
    """
    residual = v - u @ np.linalg.lstsq(u, v)[0]
    (_, before), (_, after) = (np.linalg.slogdet(x.T @ x) for x in (v, residual))
    return 0.5 * (before - after)


def isi(information, width: int):
    """Information in nats as a share from 0 to 1; width: of V."""
    return np.clip(1 - np.exp(-2 * np.maximum(information, 0) / width), 0, 1)
