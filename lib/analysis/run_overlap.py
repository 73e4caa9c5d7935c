"""The neighbour overlap of a run with the text, measured once and kept in the run's folder."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.analysis import kept_measures, text_overlap
from lib.core.files import ROOT, atomic_path, digest, write_text
from lib.language.text_vectors import TextVectors
from lib.training.run_folder import Run

MEASURE = ROOT / "lib" / "analysis" / "text_overlap.py"  # with what it imports, the code that the numbers follow from
KEPT_MEANS, KEPT_OVERLAPS = "mean_overlap.parquet", "overlap.parquet"  # the two frames of a recorded run
# what a gain over base is measured for: the side, its vectors, which of its rows, and the numbers of neighbours
PARTS = {
    ("item", "ego", "first3000"): (100,),  # the report's
    ("item", "final", "all"): (20, 100),
    ("user", "final", "all"): (20, 100),
}


def overlap_of_run(run: Run, vectors: TextVectors) -> pd.DataFrame:
    """`text_overlap.mean_overlap` of a run's ego and final item vectors with the text.

    It is kept in the run's folder, since both the dashboard and the table of a dataset read it, and measured again when
    the run, the text or the code differs. A recorded run comes with what was measured where it was trained.
    """
    kept = kept_measures.measured(run, KEPT_MEANS, MEASURE, vectors)
    if kept is not None:
        return kept
    path = _kept_here(run, vectors, "overlap", ".csv")
    if not path.exists():
        spaces = {kind: run.embeddings[f"item_{kind}"] for kind in ("ego", "final")}
        # all items are the first 3000 where there are no more
        items = ("all", "first3000") if len(vectors.items) > text_overlap.FIRST_ITEMS else ("all",)
        # a generator of its own: the intervals are the same whichever notebook measures first
        rng = np.random.default_rng(run.settings.seed)
        write_text(path, text_overlap.mean_overlap(spaces, vectors.items, rng, items=items).to_csv(index=False))
    return pd.read_csv(path)


def overlaps_of_run(run: Run, vectors: TextVectors) -> pd.DataFrame:
    """The overlap with the text of every single item and user, for all PARTS; kept as `overlap_of_run` keeps its means.

    Columns side, vectors, items, neighbours, index (of the item or user), jaccard, and permuted: the mean against the
    texts of others, the same in all rows of a part.
    """
    kept = kept_measures.measured(run, KEPT_OVERLAPS, MEASURE, vectors)
    if kept is not None:
        return kept
    path = _kept_here(run, vectors, "overlaps", ".parquet")
    if not path.exists():
        with atomic_path(path) as temporary:
            _measure_parts(run, vectors).to_parquet(temporary, index=False)
    return pd.read_parquet(path)


def gains_of_runs(overlaps: dict, part: tuple[str, str, str], rng: np.random.Generator) -> pd.DataFrame:
    """The table of `text_overlap.overlap_gains` for one of PARTS.

    overlaps: the frame of `overlaps_of_run` for each model {(backbone, alignment): frame}. Raises UserError without a
    base.
    """
    chosen = {model: frame.set_index(["side", "vectors", "items"]).loc[[part]] for model, frame in overlaps.items()}
    found = []
    for k in PARTS[part]:
        own = {model: frame[frame["neighbours"] == k] for model, frame in chosen.items()}
        values = pd.DataFrame({model: frame["jaccard"].to_numpy() for model, frame in own.items()})
        found.append((k, values, [frame["permuted"].iloc[0] for frame in own.values()]))
    return text_overlap.gains_table(found, rng)


def _kept_here(run: Run, vectors: TextVectors, name: str, suffix: str) -> Path:
    code = kept_measures.code_of(MEASURE)
    # the content is in the file's name: a stale file is never found, so none has to be checked
    return run.path / f"{name}_{digest(run.manifest['key'], vectors.digest, code)}{suffix}"


def _measure_parts(run: Run, vectors: TextVectors) -> pd.DataFrame:
    texts, frames = {"item": vectors.items, "user": vectors.users}, []
    for (side, kind, items), ks in PARTS.items():
        text, space = texts[side], {"jaccard": run.embeddings[f"{side}_{kind}"]}
        n = len(text) if items == "all" else min(len(text), text_overlap.FIRST_ITEMS)
        # a generator of its own, so that no run depends on which others are measured beside it
        rng = np.random.default_rng(run.settings.seed)
        for k, values, permuted in text_overlap.overlaps(n, space, text, rng, ks):
            names = dict(side=side, vectors=kind, items=items, neighbours=k, index=np.arange(n), permuted=permuted[0])
            frames.append(values.assign(**names))
    return pd.concat(frames, ignore_index=True)
