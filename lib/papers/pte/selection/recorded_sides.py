"""Recorded profiles (lib.papers.pte.profiling) as the two sides that selection reads.

Row r of the users' side is user of_users[r] of the data, row r of the items' side item number of_items[r]. Items that
were not refined keep what the data say of them: all of their candidates are that text, so none is preferred.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.core.errors import UserError
from lib.papers.pte.profiling.candidates import Study
from lib.papers.pte.profiling.contract import serialised
from lib.papers.pte.profiling.neighbours import neighbours
from lib.papers.pte.profiling.probes import probes as hidden_probes
from lib.papers.pte.selection.cosines import row_means, unit
from lib.papers.pte.selection.features import TEMPLATES, text_measures
from lib.papers.pte.selection.probes import part, shown, with_negatives
from lib.papers.pte.selection.rewards import well_formed
from lib.papers.pte.selection.settings import FILE, SelectionSettings
from lib.papers.pte.selection.sides import NONE, Candidates, Side


class RecordedSides(NamedTuple):
    """Both sides, and whom their rows are: user rows and item numbers; texts [N, G] are those of final candidates."""

    users: Side
    items: Side
    of_users: np.ndarray
    of_items: np.ndarray
    texts: dict[str, np.ndarray]


def recorded_sides(
    about: Study, profiles: pd.DataFrame, encode, settings: SelectionSettings, seed: int
) -> RecordedSides:
    """The sides of a recording (Loop.profiles) by its study; encode(texts) gives vectors [n, d].

    Negatives are drawn by `seed`. Raises UserError where no candidate of a side was written without probes.
    """
    loop, of, rng = about.loop(None, None), about.histories, np.random.default_rng(seed)
    users, items = of.users, np.sort(np.concatenate([loop.refined, loop.cold]))
    hidden = hidden_probes(of, loop.refined, about.settings)
    metadata = unit(encode([serialised(loop.metadata[item - 1], "item") for item in items]))
    near, pool = settings.reward.neighbours, of.pool.T.tocsr()
    # what is visible and, of that, what train users have; both [n, n_partners]
    visible = {"user": part(of.matrix, users, items), "item": part(pool, items, users)}
    known = {"user": part(of.pool, users, items), "item": visible["item"]}
    away = {"user": part(hidden.of_users(of.matrix.shape), users, items),
            "item": part(hidden.of_items(of.matrix.shape).T.tocsr(), items, users)}  # fmt: skip
    close = {"user": neighbours(of.matrix, of.pool, near)[users], "item": neighbours(pool, pool, near)[items]}
    index = {"user": users, "item": items}
    content = {"item": metadata, "user": row_means(visible["user"], metadata)}
    titles = {"user": np.array(about.renderer.names, dtype=object)[items - 1], "item": None}
    sides, texts = {}, {}
    for name in ("user", "item"):
        of_side = profiles[profiles["side"] == name].assign(row=lambda part, at=index[name]: _place(at, part["index"]))
        final = _written(of_side[~of_side["probed"]], np.arange(len(index[name])), name)
        drawn = with_negatives(away[name], known[name], settings.probes, rng)
        some = np.intersect1d(of_side.loc[of_side["probed"], "row"], np.flatnonzero(drawn.defined))
        if not len(some):
            raise UserError(f"no candidate of a {name} has a reward: raise probed_{name}s of profiling in {FILE}")
        rewarded = _written(of_side[of_side["probed"]], some, name)
        own = drawn.of(some)
        fine = well_formed(rewarded["text"], rewarded["parsed"], settings.reward.words, own.hidden, titles[name])
        told = shown(visible[name], away[name])[some]
        popularity = np.bincount(known[name].indices, minlength=known[name].shape[1])
        sides[name] = Side(
            name, _candidates(rewarded, some, told, encode), own, fine,
            _candidates(final, np.arange(len(index[name])), visible[name], encode), content[name],
            _place(index[name], close[name]), popularity,
        )  # fmt: skip
        texts[name] = final["text"]
    return RecordedSides(sides["user"], sides["item"], users, items, texts)


def _written(profiles: pd.DataFrame, rows: np.ndarray, side: str) -> dict[str, np.ndarray]:
    """Text, parsed, template and temperature of the last round's candidates, each [n, G]; a single one stands for all.

    profiles: of one side, with `row`; of them those of `rows`.
    """
    last = profiles[(profiles["round"] == profiles["round"].max()) & profiles["row"].isin(rows)]
    groups = int(last["candidate"].max()) + 1 if len(last) else 1
    wide = last.assign(text=[serialised(text, side) for text in last["text"]], parsed=last["status"] != "fallback")
    wide = wide.pivot(index="row", columns="candidate", values=["text", "parsed", "template", "temperature"])
    wide = wide.reindex(rows)
    cold = pd.isna(wide["text"].to_numpy()).any(axis=1)
    found = {name: wide[name].to_numpy().copy() for name in ("text", "parsed", "template", "temperature")}
    for values in found.values():
        values[cold] = np.repeat(values[cold, :1], groups, axis=1)
    kinds = {"text": object, "parsed": bool, "template": int, "temperature": float}
    return {name: values.astype(kinds[name]) for name, values in found.items()}


def _candidates(written: dict[str, np.ndarray], entity: np.ndarray, told: csr_matrix, encode) -> Candidates:
    texts = written["text"]
    vectors = unit(encode(texts.ravel().tolist())).reshape(*texts.shape, -1)
    template, temperature = written["template"] % TEMPLATES, written["temperature"]
    return Candidates(entity, vectors, told, text_measures(texts), template, temperature)


def _place(known: np.ndarray, wanted) -> np.ndarray:
    """Where each of `wanted` stands in the sorted `known`, NONE for what is not there."""
    wanted = np.asarray(wanted)
    place = np.searchsorted(known, wanted).clip(max=len(known) - 1)
    return np.where(known[place] == wanted, place, NONE)
