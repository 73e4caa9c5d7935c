"""What a candidate profile of x is worth: a number from 0 to 1 for each of three parts, and their weighted sum.

    R_col(x, g) = mean over probes y of [ share of negatives z with cos(e_g, e_y) > cos(e_g, e_z), equal ones half ]
    R_dis(x, g) = exp(cos(e_g, h_x) / tau) / sum over y in {x} and K_x of exp(cos(e_g, h_y) / tau)
    R_fmt(x, g) = 1 if the text is well formed, else 0
    R           = sum_k w_k R_k   over the parts that x has, times (sum of all w) / (sum of theirs)

e_g is the candidate's vector, e_y the profile chosen for a partner y, h_y the content of y (its history's mean metadata
vector, or an item's own) and K_x are the neighbours of x. R_col is an AUC: chance is 1/2. R_dis tells x from those like
it, chance is 1 / (1 + |K_x|). Saying nothing that resembles anybody does not help there, unlike with a reward for being
far from others. A part that x has not got is NaN. Nothing is drawn here and no model judges.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import softmax

from lib.papers.pte.selection.cosines import entry_cosines, gathered_cosines, reduced, rows_of, slices, unit
from lib.papers.pte.selection.probes import Probes
from lib.papers.pte.selection.settings import RewardSettings
from lib.papers.pte.selection.sides import NONE, Side

ROUNDING = 1e-6  # partners with the same profile have the same cosine but for less than this
# 'user 123' and what the shops use: ten or more capitals and digits
RAW_ID = r"\b(?:[Uu]ser|[Ii]tem)[ _#:-]*\d+\b|\b(?=[A-Z]*\d)[A-Z0-9]{10,}\b"


def parts(side: Side, references: np.ndarray, settings: RewardSettings) -> dict[str, np.ndarray]:
    """r_col, r_dis and r_fmt of a side's rewarded candidates, each [n, G]; references [n_partners, d] are e_y."""
    vectors, entity = side.rewarded.vectors, side.rewarded.entity
    near = side.neighbours[:, : settings.neighbours]
    return {
        "r_col": collaborative(vectors, references, side.probes),
        "r_dis": distinctiveness(vectors, entity, side.content, near, settings.temperature),
        "r_fmt": np.asarray(side.well_formed, dtype=float),
    }


def collaborative(vectors: np.ndarray, references: np.ndarray, probes: Probes) -> np.ndarray:
    """R_col [n, G] of vectors [n, G, d] by references [n_partners, d]; NaN for rows without a probe."""
    vectors, references = unit(vectors), unit(references)
    negative = gathered_cosines(vectors, references, probes.negatives)
    positive = entry_cosines(vectors, probes.hidden, references)
    row, above = rows_of(probes.hidden), np.empty(positive.shape)
    for part in slices(len(row), negative[0].size if len(negative) else 1):
        ahead = positive[part, :, None] - negative[row[part]]
        above[part] = ((ahead > ROUNDING).mean(axis=2) + (ahead >= -ROUNDING).mean(axis=2)) / 2
    count = np.diff(probes.hidden.indptr)[:, None]
    return reduced(np.add, above, probes.hidden, np.nan) / np.maximum(count, 1)


def distinctiveness(
    vectors: np.ndarray, entity: np.ndarray, content: np.ndarray, neighbours: np.ndarray, temperature: float
) -> np.ndarray:
    """R_dis [n, G] of vectors [n, G, d] that describe entity [n]; NaN for rows without any neighbour.

    content [N, d] and neighbours [N, k] are those of all entities.
    """
    among = np.column_stack([entity, neighbours[entity]])
    cosines = gathered_cosines(unit(vectors), unit(content), among).astype(float)
    logits = np.where(among[:, None, :] == NONE, -np.inf, cosines / temperature)
    alone = (among[:, 1:] == NONE).all(axis=1)[:, None]
    return np.where(alone, np.nan, softmax(logits, axis=2)[..., 0])


def well_formed(
    texts: np.ndarray, parsed: np.ndarray, words: tuple[int, int], hidden: csr_matrix, titles=None
) -> np.ndarray:
    """R_fmt [n, G]: parsed [n, G], of a length within bounds, without a raw id and without the title of a probe.

    texts [n, G] are strings. titles [n_partners] are those of items where the probes `hidden` are items, None where
    they are users. A title counts wherever its words stand next to one another, in capitals or not; so a title that is
    an everyday word fails candidates which only use that word.
    """
    flat = pd.Series(np.asarray(texts, dtype=object).ravel())
    plain = _plain(flat)
    length = plain.str.count(r"\S+")
    fine = length.between(*words) & ~flat.str.contains(RAW_ID)
    fine = parsed & fine.to_numpy().reshape(parsed.shape)
    return fine.astype(float) if titles is None else np.where(_named(plain, hidden, titles, parsed.shape), 0.0, fine)


def _named(plain: pd.Series, hidden: csr_matrix, titles, shape: tuple[int, int]) -> np.ndarray:
    """Which texts [n, G] hold a hidden title."""
    title = _plain(pd.Series(titles, dtype=object).fillna("")).to_numpy()[hidden.indices]
    row = np.repeat(rows_of(hidden), shape[1])
    column = np.tile(np.arange(shape[1]), hidden.nnz)
    text = plain.to_numpy().reshape(shape)[row, column]
    pairs = zip(np.repeat(title, shape[1]), text, strict=True)
    found = np.fromiter((bool(name.strip()) and name in said for name, said in pairs), bool, len(row))
    result = np.zeros(shape, bool)
    np.logical_or.at(result, (row, column), found)
    return result


def _plain(texts: pd.Series) -> pd.Series:
    """Words in small letters with one space around each."""
    return " " + texts.str.casefold().str.replace(r"\W+", " ", regex=True).str.strip() + " "


def combined(values: Mapping[str, np.ndarray], settings: RewardSettings) -> np.ndarray:
    """R [n, G] of parts r_col, r_dis and r_fmt, NaN where none of those with a weight is known."""
    weights = {"r_col": settings.collaborative, "r_dis": settings.distinctiveness, "r_fmt": settings.format}
    weight = np.array([weights[name] for name in values])[:, None, None]
    stacked = np.stack(list(values.values()))
    known = (weight * ~np.isnan(stacked)).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known > 0, (weight * np.nan_to_num(stacked)).sum(axis=0) * weight.sum() / known, np.nan)
