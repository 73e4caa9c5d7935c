"""The neighbour overlap of a run with the text, measured once and kept in the run's folder."""

import numpy as np
import pandas as pd

from lib.analysis import text_overlap
from lib.core.files import ROOT, digest, write_text
from lib.core.fingerprints import code_digest, imported_files
from lib.language.text_vectors import TextVectors
from lib.training.run_folder import Run

MEASURE = ROOT / "lib" / "analysis" / "text_overlap.py"  # with what it imports, the code that the numbers follow from


def overlap_of_run(run: Run, vectors: TextVectors) -> pd.DataFrame:
    """`text_overlap.mean_overlap` of a run's ego and final item vectors with the text.

    It is kept in the run's folder, since both the dashboard and the table of a dataset read it, and measured again when
    the run, the text or the code differs.
    """
    code = code_digest([MEASURE, *imported_files(MEASURE)])
    # the content is in the file's name: a stale file is never found, so none has to be checked
    path = run.path / f"overlap_{digest(run.manifest['key'], vectors.digest, code)}.csv"
    if not path.exists():
        spaces = {kind: run.embeddings[f"item_{kind}"] for kind in ("ego", "final")}
        # all items are the first 3000 where there are no more
        items = ("all", "first3000") if len(vectors.items) > text_overlap.FIRST_ITEMS else ("all",)
        # a generator of its own: the intervals are the same whichever notebook measures first
        rng = np.random.default_rng(run.settings.seed)
        write_text(path, text_overlap.mean_overlap(spaces, vectors.items, rng, items=items).to_csv(index=False))
    return pd.read_csv(path)
