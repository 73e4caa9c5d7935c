"""What was measured on a run's vectors before they were left out of data/recorded; read in place of the vectors."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.fingerprints import code_digest, deciding_files
from lib.language.text_vectors import TextVectors
from lib.training.run_folder import Run


def measured(run: Run, name: str, module: Path, text: TextVectors | None = None) -> pd.DataFrame | None:
    """A frame that a recorded run came with; None where it has none, or one from other code or another text.

    name: the file in the run's folder; module: what measures, and with what it imports the code that is compared.
    """
    recorded = run.manifest.get("recorded", {})
    if recorded.get("measured", {}).get(name) != code_of(module):
        return None
    # not by their digest, which differs from machine to machine
    alike = text is None or np.allclose(recorded["text"], sketch(text), rtol=1e-3, atol=1e-6)
    return pd.read_parquet(run.path / name) if alike else None


def code_of(module: Path) -> str:
    """Digest of a module that measures and of what decides numbers of all that it imports."""
    return code_digest(deciding_files(module))


def sketch(text: TextVectors) -> list[float]:
    """Eight numbers that other texts, another encoder or another order change, and another machine hardly does."""
    sides = [np.linspace(-1, 1, len(side)) @ side[:, :4] / len(side) for side in (text.items, text.users)]
    return np.concatenate(sides).astype(float).round(9).tolist()
