"""The vectors of all users and items: encoded from texts, read from a file, or RLMRec's own."""

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT, digest
from lib.core.names import encoder_folder, vector_file
from lib.core.vector_files import identified, located
from lib.data.interactions import Interactions
from lib.data.preprocess import named
from lib.data.readers import rlmrec
from lib.language import encoders, ready_made


@dataclass(frozen=True, eq=False)
class TextVectors:
    """Vectors float32 `users` [n_users, T] and `items` [n_items, T] with what made them; `digest` is their content."""

    users: np.ndarray
    items: np.ndarray
    encoder: str
    model: str = ""
    revision: str = ""
    pooling: str = ""
    normalised: bool = False
    digest: str = field(init=False)

    def __post_init__(self):
        # little-endian, so that the digest is the same on every machine
        with np.errstate(over="ignore"):  # `_checked` tells what is too large for 32 bits
            arrays = [np.ascontiguousarray(part, dtype="<f4") for part in (self.users, self.items)]
        object.__setattr__(
            self, "digest", digest([part.shape for part in arrays], *(part.tobytes() for part in arrays))
        )


def needs_texts(encoder: str) -> bool:
    """Whether `encoder` makes its vectors from texts: not a file of vectors, and not `published`."""
    return encoder != "published" and not vector_file(encoder)[0]


def check_name(encoder: str, params: Path = ROOT / "params") -> None:
    """Raise UserError for an encoder that `load` would not know, before anything waits for its data or weights."""
    if path := located(encoder):
        if not path.is_file():
            raise UserError(f"no file {encoder} with text vectors")
    elif encoder != "published":
        encoders.settings(encoder, params)


def load(
    interactions: Interactions,
    profiles: pd.DataFrame | None,
    encoder: str = "minilm",
    params: Path = ROOT / "params",
    data: Path = ROOT / "data",
) -> TextVectors:
    """Vectors of all users and items; `profiles` (side, index, text) are read when the encoder needs texts.

    `encoder` is a name in params/encoders, the folder or hub name of a model (with a slash), a file of ready-made
    vectors (lib/language/ready_made.py) or `published`, which are the vectors that RLMRec gives away with its data.
    Raises UserError for an unknown name and for vectors of the wrong number, type or with NaN.
    """
    if encoder == "published":
        users, items = rlmrec.text_vectors(Path(data) / interactions.name)
        vectors = TextVectors(users, items, encoder, "text-embedding-ada-002")
        return _checked(interactions, vectors, "the published vectors")
    if path := located(encoder):
        users, items = ready_made.read(path, interactions)
        if vector_file(encoder)[1] and identified(encoder) != encoder:
            raise UserError(f"{path} has changed since its run was named: run the same command again")
        vectors = TextVectors(users, items, encoder_folder(identified(encoder)))
        return _checked(interactions, vectors, vector_file(encoder)[0])
    chosen = encoders.settings(encoder, params)
    texts = [*_texts(profiles, "user", interactions.n_users), *_texts(profiles, "item", interactions.n_items)]
    vectors, about = encoders.encode(texts, chosen, Path(data) / "cache" / "text")
    users, items = np.split(vectors, [interactions.n_users])
    return _checked(interactions, TextVectors(users, items, chosen.name, **about), chosen.model)


def _texts(profiles: pd.DataFrame, side: str, count: int) -> list[str]:
    """The texts of one side by index; raises UserError unless there is one for each of `count`."""
    own = profiles[profiles.side == side].sort_values("index")
    if own["index"].tolist() != list(range(count)):
        raise UserError(
            f"the profiles have {len(own)} {side} texts for {count} {side}s: load them for the same dataset"
        )
    return own.text.tolist()


def _checked(interactions: Interactions, vectors: TextVectors, where: str) -> TextVectors:
    """`vectors` as float32; raises UserError with the first thing that is wrong with them."""
    parts = {"users": (vectors.users, interactions.n_users), "items": (vectors.items, interactions.n_items)}
    for side, (part, rows) in parts.items():
        if part.ndim != 2 or part.dtype.kind != "f":
            raise UserError(f"{where}: the {side} must be rows of floats, not {part.dtype} {list(part.shape)}")
        if len(part) != rows:
            raise UserError(
                f"{where} has {len(part)} vectors for {rows} {side} of {interactions.name}: encode this dataset"
            )
    with np.errstate(over="ignore"):  # what is too large for 32 bits becomes infinity and is told
        single = {side: part.astype(np.float32) for side, (part, _) in parts.items()}
    for side, part in single.items():
        frame = getattr(interactions, side)
        if len(broken := np.flatnonzero(~np.isfinite(part).all(axis=1))):
            raise UserError(
                f"{where}: NaN or infinity in {len(broken)} {side}, {named(frame, broken)}: encode them again"
            )
        _not_empty(where, side, part, frame)
    if vectors.users.shape[1] != vectors.items.shape[1]:
        raise UserError(
            f"{where}: users and items have {vectors.users.shape[1]} and {vectors.items.shape[1]} dimensions"
        )
    return replace(vectors, **single)


def _not_empty(where: str, side: str, part: np.ndarray, frame: pd.DataFrame | None) -> None:
    """Say whose vectors [n, T] of one side are all zeros, which have no direction; raise UserError where all are."""
    empty = np.flatnonzero(~part.any(axis=1))
    if len(empty) == len(part):
        raise UserError(f"{where}: the vectors of all {side} are zeros, so they say nothing: encode the texts again")
    if len(empty):
        # not an error: TF-IDF knows no word of some texts
        said = f"{where}: {len(empty)} of {len(part)} {side} have a vector of zeros, {named(frame, empty)}"
        warnings.warn(f"{said}: alignment learns nothing from them", stacklevel=4)
