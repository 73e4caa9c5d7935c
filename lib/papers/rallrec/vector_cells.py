"""All parts of the item vectors as one cell, computed once.

runs/<dataset>/rallrec/vectors/<encoder>/<fidelity>/seed<k>/    parts.safetensors (title, text, colla, ssl; held_out and
                                                                untrained of the alignment), collaborative.csv and
                                                                alignment.csv (how both were trained)
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from lib.core.files import ROOT, atomic_path, digest, write_text
from lib.core.fingerprints import deciding_files
from lib.core.names import runs_of
from lib.core.settings import Seed, Strict
from lib.data import datasets
from lib.data.rated.edges import graph_edges
from lib.data.samples import Samples
from lib.language import encoders
from lib.papers.rallrec import collaborative, item_texts, text_alignment
from lib.papers.rallrec.mixture import text_part
from lib.papers.rallrec.settings import AlignmentSettings, CollaborativeSettings, load
from lib.training.run_settings import SCALES
from lib.workflow import cells

CODE = [ROOT / f"lib/papers/rallrec/{name}.py" for name in ("vector_cells", "mixture")]


class VectorSettings(Strict):
    """What decides the parts of the vectors of one dataset."""

    dataset: str
    encoder: str
    language_model: str | None  # that wrote the descriptions; None: title texts alone
    fidelity: Literal["paper", "legacy"]
    seed: Seed
    scale: Literal[SCALES]
    collaborative: CollaborativeSettings
    text_alignment: AlignmentSettings

    @property
    def folder(self) -> Path:
        """The cell's folder below runs/."""
        tree = Path(runs_of(self.scale)).relative_to("runs")
        return tree / self.dataset / "rallrec/vectors" / self.encoder / self.fidelity / f"seed{self.seed}"

    @property
    def digest(self) -> str:
        """Content hash of all settings."""
        return digest(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Vectors:
    """The finished parts [n_items, d] by name, and the two trainings."""

    settings: VectorSettings
    path: Path
    manifest: dict

    @cached_property
    def parts(self) -> dict[str, np.ndarray]:
        """title, text, colla and ssl, as `mixture` takes them; untrained [n_items, d] and held_out (item numbers)."""
        return load_file(self.path / "parts.safetensors")

    def curve(self, which: str) -> pd.DataFrame:
        """One row per epoch of `collaborative` or `alignment`."""
        return pd.read_csv(self.path / f"{which}.csv")


@dataclass(frozen=True)
class VectorCell:
    """The parts of one dataset's vectors, as lib.workflow.cells wants it."""

    settings: VectorSettings
    samples: Samples
    runs: Path = ROOT / "runs"
    params: Path = ROOT / "params"
    data: Path = ROOT / "data"
    results = ("parts.safetensors", "collaborative.csv", "alignment.csv")

    @property
    def path(self) -> Path:
        """The run folder."""
        return Path(self.runs) / self.settings.folder

    def needs(self) -> list:
        """None."""
        return []

    def twins(self) -> list:
        """None: no other name has these settings."""
        return []

    def code(self) -> list[Path]:
        """What decides numbers of all that is trained here."""
        return deciding_files(*CODE)

    def inputs(self, like: dict[str, str] | None = None) -> dict[str, str]:
        """Content hashes of the samples, of the texts and of what encodes them."""
        titles, texts = self.texts
        known = encoders.settings(self.settings.encoder, self.params)
        return {
            "samples": self.samples.fingerprint,
            "texts": digest(titles, texts),
            "encoder": encoders.identity(known),
        }

    def recall(self) -> bool:
        """Never: it takes minutes."""
        return False

    @cached_property
    def texts(self) -> tuple[list[str], list[str]]:
        """Title texts and descriptions of all items; without a language model the former alone."""
        wording = datasets.settings(self.settings.dataset, self.params).wording
        titles = item_texts.title_texts(self.samples, wording)
        if self.settings.language_model is None:
            return titles, []
        found = item_texts.descriptions(self.samples, wording, self.settings.language_model, self.data)
        return titles, found.text.tolist()

    def compute(self, key: str, device: str) -> dict:
        """Encode, train both and write the results."""
        titles, texts = self.texts
        chosen = encoders.settings(self.settings.encoder, self.params)
        title, _ = encoders.encode(titles, chosen, self.data / "cache/text")
        # Eq. 3; without descriptions the title text is all there is
        text = text_part(title, encoders.encode(texts, chosen, self.data / "cache/text")[0]) if texts else title
        graph = collaborative.collaborative_vectors(
            graph_edges(self.samples, self.settings.fidelity), len(self.samples.users), len(self.samples.items),
            self.settings.collaborative, self.settings.seed, self.settings.dataset, device,
            self.path / "checkpoint.safetensors", key,
        )  # fmt: skip
        moved = text_alignment.aligned_vectors(text, graph.vectors, self.settings.text_alignment, self.settings.seed)
        parts = {"title": title, "text": text, "colla": graph.vectors, "ssl": moved.vectors}
        parts |= {"untrained": moved.untrained, "held_out": moved.held_out}
        with atomic_path(self.path / "parts.safetensors") as temporary:
            save_file({name: np.ascontiguousarray(part) for name, part in parts.items()}, temporary)
        write_text(self.path / "collaborative.csv", graph.history.to_csv(index=False))
        write_text(self.path / "alignment.csv", moved.history.to_csv(index=False))
        return {}

    def read(self) -> Vectors:
        """The finished vectors."""
        return Vectors(self.settings, self.path, cells.read_manifest(self.path))


def ensure(
    samples: Samples,
    encoder: str,
    language_model: str | None,
    seed: int,
    scale: str,
    fidelity: str = "paper",
    device: str = "auto",
    **places,
) -> Vectors:
    """The item vectors of a dataset: read when nothing they depend on has changed, otherwise computed or continued."""
    chosen = load(scale, samples.name, places.get("params", ROOT / "params"))
    settings = VectorSettings(
        dataset=samples.name, encoder=encoder, language_model=language_model, fidelity=fidelity, seed=seed, scale=scale,
        collaborative=chosen.collaborative, text_alignment=chosen.alignment,
    )  # fmt: skip
    return cells.ensure(VectorCell(settings, samples, **places), device)
