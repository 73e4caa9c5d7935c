"""Single cases and how typical they are: items whose neighbours change most, users far apart but alike in taste.

A space is a matrix of vectors [n, d], closeness is the cosine; spec rlmrec 9.4 (items) and 12 (users).
"""

import re

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lib.files import UserError
from lib.semantics import AGAIN, neighbours
from lib.statistics import bootstrap_difference, bootstrap_mean

WORDS = 12  # of a sentence beside a title

# Names that people can read


def texts_of(profiles: pd.DataFrame, side: str) -> np.ndarray:
    """Profile texts of one side, user or item, by index: [n] strings."""
    return profiles[profiles["side"] == side].sort_values("index")["text"].to_numpy(dtype=object)


def names(items: pd.DataFrame | None, texts) -> np.ndarray:
    """What to call each item: its title; where there is none, its category and the first words of its text."""
    names = pd.Series([_shortened(text, 5) for text in texts], dtype=object)
    if items is not None and "category" in items:
        names = names.mask(items["category"].notna(), items["category"].astype(str) + ": " + names)
    if items is not None and "title" in items:
        titles = items["title"].astype("string")
        titles = titles.str.replace(r"^(.*?), (The|An?)(?= \(|$)", r"\2 \1", regex=True)  # MovieLens sorts by them
        names = names.mask(titles.notna(), titles)
    return names.to_numpy()


def sentence(text: str, words: int = WORDS) -> str:
    """The first sentence of a text, cut after so many words."""
    return _shortened(re.split(r"(?<=[.!?])\s", str(text).strip(), maxsplit=1)[0], words)


def _shortened(text: str, words: int) -> str:
    parts = str(text).split()
    return " ".join(parts[:words]) + (" …" if len(parts) > words else "")


def described(name: str, text: str, words: int = WORDS) -> str:
    """A name with the first sentence of its text behind it; a name that the sentence begins with stands there once."""
    rest, begun = sentence(text, words), name.removesuffix(" …")
    return f"**{begun}**{rest.removeprefix(begun)}" if rest.startswith(begun) else f"**{name}**: {rest}"


# Items whose neighbours change most (spec 9.4)


def most_risen(overlaps: pd.DataFrame, alignment: str, n: int = 3) -> list[int]:
    """The n items whose overlap with the text rises most from base, largest rise first, ties by index.

    overlaps: one row per item, columns base and alignments, as `semantics.item_overlap` makes it.
    """
    rise = overlaps[alignment] - overlaps["base"]
    return rise.sort_values(ascending=False, kind="stable").index[:n].tolist()


def changes(overlaps: pd.DataFrame, rng: np.random.Generator, n: int = 3) -> pd.DataFrame:
    """How typical the most risen items are: one row per alignment.

    Columns alignment, rises, unchanged, falls (shares of all items), top_mean (mean rise of the n most risen), mean,
    ci_low, ci_high (mean change of all items with its 95% bootstrap interval).
    """
    rows = []
    for alignment in overlaps.columns.drop("base"):
        change = overlaps[alignment] - overlaps["base"]
        low, high = bootstrap_difference(overlaps["base"], overlaps[alignment], rng)
        shares = [(change > 0).mean(), (change == 0).mean(), (change < 0).mean()]
        rows.append((alignment, *shares, change.nlargest(n).mean(), change.mean(), low, high))
    names = ["alignment", "rises", "unchanged", "falls", "top_mean", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=names)


def change_verdicts(changes: pd.DataFrame) -> list[str]:
    """One sentence per alignment: do items rise on average, as the picked ones do? changes: the frame of `changes`.

    As in `semantics.gain_verdicts`, the interval must lie beyond the change of a second base run, if there is one.
    """
    noise, sentences = changes.loc[changes["alignment"] == AGAIN, "mean"].abs().sum(), []
    for row in changes[changes["alignment"] != AGAIN].itertuples():
        mean = f"{row.mean:+.4f} [{row.ci_low:+.4f}, {row.ci_high:+.4f}]".replace("-", "\N{MINUS SIGN}")
        sentences.append(
            f"{row.alignment}: a rise on average is {_verdict(row.ci_low, row.ci_high, noise)}, all items {mean}, the "
            f"picked ones {row.top_mean:+.4f}; {row.rises:.0%} rise, {row.falls:.0%} fall, {row.unchanged:.0%} stay"
        )
    return sentences


def _verdict(low: float, high: float, noise: float) -> str:
    """What the interval of an effect says, when effects up to `noise` come from another seed alone."""
    return "supported" if low > noise else "not supported" if high < -noise else "inconclusive"


def nearest(spaces: dict, items, n: int = 5, k: int = 20) -> pd.DataFrame:
    """The n nearest neighbours of some items in each space {label: [n_items, d]}, of which `text` is one.

    Columns item, space, rank (from 1), neighbour, in_text (is it among the item's k neighbours in the text?).
    """
    wanted = neighbours(spaces["text"], k)[items]
    tables = []
    for label, space in spaces.items():
        near = neighbours(space, n)[items]
        columns = {"item": np.repeat(items, n), "space": label, "rank": np.tile(np.arange(1, n + 1), len(items))}
        columns["neighbour"] = near.ravel()
        columns["in_text"] = (near[:, :, None] == wanted[:, None, :]).any(2).ravel()
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def nearest_layout(table: pd.DataFrame, overlaps: pd.DataFrame, names, texts) -> pd.DataFrame:
    """The frame of `nearest` for people: per item a line with its overlap in each space, then its neighbours by rank.

    Cells hold a name and the first sentence of the profile; \\* marks a neighbour that the text agrees with.
    """
    marks = np.where(table["in_text"] & (table["space"] != "text"), r"\* ", "")
    cells = [described(names[i], texts[i]) for i in table["neighbour"]]
    table = table.assign(cell=marks + np.array(cells, dtype=object))
    spaces, rows = list(dict.fromkeys(table["space"])), []
    for item, part in table.groupby("item", sort=False):
        cells = part.pivot(index="rank", columns="space", values="cell")[spaces].reset_index()
        values = {space: f"overlap {overlaps.loc[item, space]:.3f}" for space in overlaps}
        rows += [{"item": described(names[item], texts[item]), "rank": "", **values}, *cells.to_dict("records")]
    return pd.DataFrame(rows)[["item", "rank", *spaces]].fillna("").astype(str)


# Users far apart in the graph but close in taste (spec 12, case study)


def fewest_shared(train: sp.csr_matrix, chunk: int = 1024) -> int:
    """The least number of train items that two users share; 0 where some users are more than 3 hops apart.

    The graph has edges between users and items only, so users are an even number of hops apart: those who share an
    item 2, all others at least 4.
    """
    return int(min(_shared(train, rows).min() for rows in _chunks(train.shape[0], chunk)))


def far_pairs(train: sp.csr_matrix, text, n: int = 100, chunk: int = 1024) -> pd.DataFrame:
    """The n pairs of users far apart in the graph but closest in text [n_users, T], no user in two pairs.

    Far apart are users that share no train item, so are more than 3 hops apart, or where every two share one, those
    that share fewest. Pairs are taken by falling cosine from those whose users are still free, so that they are
    independent of each other. Columns user, partner, shared, text_cosine. Raises UserError for fewer than two users.
    """
    if train.shape[0] < 2:
        raise UserError("there is one user only: a pair needs two")
    shared, unit, free = fewest_shared(train, chunk), _unit(text), np.ones(train.shape[0], dtype=bool)
    found = pd.DataFrame({"user": [], "partner": [], "text_cosine": []}).astype({"user": int, "partner": int})
    while True:  # the next pair by cosine is always mutual, so each round takes many at once
        fresh = _mutual_nearest(train, unit, shared, free, chunk)
        best = fresh["text_cosine"].max()
        if fresh.empty or (len(found) >= n and best <= found["text_cosine"].iloc[n - 1]):
            found.insert(2, "shared", shared)
            return found[:n]
        found = pd.concat([found, fresh]).sort_values(
            ["text_cosine", "user"], ascending=[False, True], ignore_index=True
        )
        free[fresh[["user", "partner"]].to_numpy().ravel()] = False


def _mutual_nearest(train, unit, shared: int, free, chunk: int) -> pd.DataFrame:
    """Pairs of free users of whom each is the other's nearest far one: user, partner, text_cosine."""
    partner, cosine = [], []
    for rows in _chunks(len(unit), chunk):
        allowed = (_shared(train, rows) == shared) & free  # a user who is not free is then nobody's nearest
        near = np.where(allowed, (unit[rows] @ unit.T).round(6), -np.inf)  # rounded: the same in both directions
        partner.append(near.argmax(1))
        cosine.append(near.max(1))
    partner, cosine, users = np.concatenate(partner), np.concatenate(cosine), np.arange(len(unit))
    mutual = (partner[partner] == users) & (users < partner) & np.isfinite(cosine)
    return pd.DataFrame({"user": users, "partner": partner, "text_cosine": cosine})[mutual]


def positions(pairs: pd.DataFrame, spaces: dict, train: sp.csr_matrix) -> pd.DataFrame:
    """Where the partners of `far_pairs` stand in each space {label: [n_users, d]}: one row per pair and space.

    Columns user, partner, space, cosine, rank (of the partner among the far users of `user`, 1 is nearest), candidates
    (how many those are), nearer (share of the far users that are nearer than the partner: 0 is nearest, 0.5 chance;
    mean of both directions).
    """
    ends = pairs[["user", "partner"]].to_numpy()
    far = [_shared(train, ends[:, side]) == pairs["shared"].to_numpy()[:, None] for side in (0, 1)]
    tables = []
    for label, space in spaces.items():
        unit = _unit(space)
        cosine = (unit[ends[:, 0]] * unit[ends[:, 1]]).sum(1)
        ahead = [_ahead(unit, ends[:, side], cosine, ends[:, 1 - side], far[side]) for side in (0, 1)]
        candidates = [mask.sum(1) for mask in far]
        columns = {"user": ends[:, 0], "partner": ends[:, 1], "space": label, "cosine": cosine, "rank": ahead[0] + 1}
        columns["candidates"] = candidates[0]
        shares = [count / np.maximum(others - 1, 1) for count, others in zip(ahead, candidates, strict=True)]
        tables.append(pd.DataFrame(columns | {"nearer": np.mean(shares, axis=0)}))
    return pd.concat(tables, ignore_index=True)


def _ahead(unit, users, cosine, partners, far) -> np.ndarray:
    """How many far users of each user are nearer than the partner: [pairs]."""
    closer = (unit[users] @ unit.T > cosine[:, None]) & far
    closer[np.arange(len(users)), partners] = False  # rounding may put the partner before itself
    return closer.sum(1)


def mean_far_cosine(spaces: dict, train: sp.csr_matrix, chunk: int = 1024) -> dict[str, float]:
    """Mean cosine of all far pairs of users in each space, against which that of a few pairs is to be seen."""
    shared, units = fewest_shared(train, chunk), {label: _unit(space) for label, space in spaces.items()}
    totals, count = dict.fromkeys(units, 0.0), 0
    for rows in _chunks(train.shape[0], chunk):
        far = _shared(train, rows) == shared
        count += far.sum()
        for label, unit in units.items():
            totals[label] += float((unit[rows] @ unit.T)[far].sum(dtype=float))
    return {label: total / count for label, total in totals.items()}


def pair_summary(positions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Means over the pairs of `positions` with 95% bootstrap intervals, one row per space and measure.

    Columns space, measure (cosine, nearer), mean, ci_low, ci_high, difference (to base, paired), difference_low,
    difference_high.
    """
    rows = []
    for measure in ("cosine", "nearer"):
        wide = positions.pivot(index=["user", "partner"], columns="space", values=measure)
        for space in dict.fromkeys(positions["space"]):
            interval, difference = bootstrap_mean(wide[space], rng), wide[space] - wide["base"]
            row = (space, measure, wide[space].mean(), *interval, difference.mean())
            rows.append((*row, *bootstrap_difference(wide["base"], wide[space], rng)))
    names = ["space", "measure", "mean", "ci_low", "ci_high", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=names)


def pair_verdicts(summary: pd.DataFrame) -> list[str]:
    """One sentence per alignment: does the partner move towards the user? summary: the frame of `pair_summary`.

    The interval of the change of `nearer` must lie beyond the change of a second base run, if there is one.
    """
    changes = summary[(summary["measure"] == "nearer") & (summary["space"] != "base")]
    noise, sentences = changes.loc[changes["space"] == AGAIN, "difference"].abs().sum(), []
    for row in changes[changes["space"] != AGAIN].itertuples():
        verdict = _verdict(-row.difference_high, -row.difference_low, noise)  # nearer means fewer in between
        change = f"{row.difference:+.3f} [{row.difference_low:+.3f}, {row.difference_high:+.3f}]"
        change = change.replace("-", "\N{MINUS SIGN}")
        sentences.append(
            f"{row.space}: {verdict}; {row.mean:.3f} of the far users are nearer than the partner, {change} to base"
        )
    return sentences


def _shared(train: sp.csr_matrix, rows) -> np.ndarray:
    """How many train items each of some users shares with every user: [rows, n_users]; with itself, more than any."""
    binary = (train != 0).astype(np.float32)
    shared = (binary[rows] @ binary.T).toarray()
    shared[np.arange(len(rows)), rows] = np.inf
    return shared


def _unit(vectors) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _chunks(n: int, size: int) -> list[np.ndarray]:
    return np.split(np.arange(n), range(size, n, size))
