"""Texts to vectors: sentence-transformers, word vectors, TF-IDF, ready-made files, and RLMRec's published vectors."""

from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from lib.datasets import Interactions, rlmrec
from lib.datasets.schema import Source, Strict
from lib.files import ROOT, UserError, atomic_path, digest, read_yaml, sha256, unknown, validated
from lib.progress import Progress, without_widgets

READY_MADE = (".npy", ".safetensors", ".parquet")
CHUNK = 8  # batches between two signs of progress


class EncoderSettings(Strict):
    """A text encoder: `params/encoders/<name>.yaml`."""

    name: str = Field(description="file name; folder name in runs/")
    kind: Literal["transformer", "static", "tfidf"] = Field(
        "transformer", description="sentence-transformers model, mean of a table's word vectors, or TF-IDF with SVD"
    )
    model: str = Field(
        description="folder, relative to the repository, or name on the Hugging Face hub; tfidf: its name"
    )
    dimensions: int | None = Field(None, ge=1, description="of tfidf")
    revision: str | None = Field(None, description="commit of a model on the hub")
    sources: list[Source] = Field([], description="where the folder comes from, as for datasets")
    normalise: bool = Field(True, description="scale every vector to length 1")
    batch_size: int = Field(64, ge=1)


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
        arrays = [np.ascontiguousarray(part, dtype="<f4") for part in (self.users, self.items)]
        object.__setattr__(
            self, "digest", digest([part.shape for part in arrays], *(part.tobytes() for part in arrays))
        )


def load(
    interactions: Interactions,
    profiles: pd.DataFrame,
    encoder: str = "minilm",
    params: Path = ROOT / "params",
    data: Path = ROOT / "data",
    device: str = "cpu",
) -> TextVectors:
    """Vectors of all users and items.

    `encoder` is a name in params/encoders, the folder or hub name of a model (with a slash), a file of ready-made
    vectors (.npy: users, then items; .safetensors: `users` and `items`; .parquet: side, index, vector) or `published`.
    Raises UserError for an unknown name and for vectors of the wrong number, type or with NaN.
    """
    if encoder == "published":
        users, items = rlmrec.text_vectors(Path(data) / interactions.name)
        return _checked(
            interactions, TextVectors(users, items, encoder, "text-embedding-ada-002"), "the published vectors"
        )
    if encoder.endswith(READY_MADE):
        path = Path(encoder) if Path(encoder).is_file() else ROOT / encoder  # a notebook's folder is notebooks/
        users, items = _ready_made(path, interactions)
        return _checked(interactions, TextVectors(users, items, Path(encoder).stem), encoder)
    chosen = settings(encoder, params)
    texts = [*_texts(profiles, "user", interactions.n_users), *_texts(profiles, "item", interactions.n_items)]
    vectors, about = _encoded(texts, chosen, Path(data) / "cache" / "text", device)
    users, items = np.split(vectors, [interactions.n_users])
    return _checked(interactions, TextVectors(users, items, chosen.name, **about), chosen.model)


def settings(encoder: str, params: Path = ROOT / "params") -> EncoderSettings:
    """The checked content of `params/encoders/<encoder>.yaml`, or settings for a model's folder or hub name."""
    folder = Path(params) / "encoders"
    path = folder / f"{encoder}.yaml"
    if path.is_file():
        return validated(EncoderSettings, read_yaml(path), str(path))
    if "/" in encoder or Path(encoder).is_dir():
        return EncoderSettings(name=Path(encoder).name, model=encoder)
    raise unknown("encoder", encoder, ["published", *(known.stem for known in folder.glob("*.yaml"))])


def encode(texts: list[str], settings: EncoderSettings, cache: Path, device: str = "cpu") -> np.ndarray:
    """Vectors float32 [N, T]; computed once for the same texts and encoder, then read from the folder `cache`."""
    return _encoded(texts, settings, cache, device)[0]


def _encoded(texts, settings, cache, device) -> tuple[np.ndarray, dict]:
    """Vectors and what made them: model, revision, pooling, normalised."""
    identity = settings.model_dump(include={"model", "revision", "normalise"}) | {"weights": _weights(settings)}
    identity |= {"dimensions": settings.dimensions} if settings.dimensions else {}
    path = Path(cache) / f"{digest(identity, list(texts))}.safetensors"
    if (known := _cached(path)) is not None:
        return known
    if settings.kind == "tfidf":
        vectors, pooling = _term_vectors(texts, settings), "singular value decomposition"
    else:
        model = _model(settings, device)
        vectors, pooling = _vectors(model, texts, settings), _pooling(model)
    about = {"model": settings.model, "revision": identity["weights"], "pooling": pooling}
    about |= {"normalised": str(settings.normalise).lower()}
    with atomic_path(path) as temporary:
        save_file({"vectors": vectors}, temporary, metadata=about)
    return vectors, about | {"normalised": settings.normalise}


def _cached(path: Path):
    try:
        with safe_open(path, "numpy") as file:
            vectors, about = file.get_tensor("vectors"), file.metadata()
    except (FileNotFoundError, SafetensorError):  # nothing there, or a damaged file: encode again
        return None
    return vectors, about | {"normalised": about["normalised"] == "true"}


def _vectors(model, texts, settings) -> np.ndarray:
    """Encode the longest texts first, so that neighbours in a batch need little padding."""
    order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
    parts, step = [], CHUNK * settings.batch_size
    with Progress(len(texts), f"text vectors ({settings.name})", "text") as progress:
        for start in range(0, len(order), step):
            chunk = [texts[index] for index in order[start : start + step]]
            parts.append(
                model.encode(
                    chunk,
                    batch_size=settings.batch_size,
                    show_progress_bar=False,
                    normalize_embeddings=settings.normalise,
                )
            )
            progress.update(len(chunk))
    vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors


def _term_vectors(texts, settings) -> np.ndarray:
    """Words weighted by rarity, reduced to the largest singular directions: no language model encodes anything."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    terms = TfidfVectorizer(stop_words="english", min_df=2, sublinear_tf=True).fit_transform(texts)
    if settings.dimensions >= min(terms.shape):
        raise UserError(
            f"{settings.name}: {settings.dimensions} dimensions of {terms.shape[1]} words: lower dimensions"
        )
    vectors = TruncatedSVD(settings.dimensions, random_state=0).fit_transform(terms).astype(np.float32)
    return normalize(vectors) if settings.normalise else vectors


def _static(folder: Path, device: str):
    """The only tokenizer and the only weights in a folder, as a model that averages word vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer

    (tokenizer,), (weights,) = folder.glob("*tokenizer*.json"), folder.glob("*.safetensors")
    (table,) = load_file(weights).values()
    words = StaticEmbedding(Tokenizer.from_file(str(tokenizer)), embedding_weights=table.astype(np.float32))
    return SentenceTransformer(modules=[words], device=device)


def _model(settings: EncoderSettings, device: str):
    with without_widgets():
        from sentence_transformers import SentenceTransformer  # takes seconds to import
        from transformers.utils import logging

    logging.disable_progress_bar()  # of loading the weights, which takes a second
    folder = ROOT / settings.model
    if settings.sources and not folder.is_dir():
        raise UserError(f"the weights of {settings.name} are not in {folder}: run: python -m lib fetch {settings.name}")
    if settings.kind == "static":
        return _static(folder, device)
    where = {"local_files_only": True} if folder.is_dir() else {"revision": settings.revision}
    try:
        return SentenceTransformer(str(folder) if folder.is_dir() else settings.model, device=device, **where)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot load the text encoder {settings.model}: {reason}") from None


def _weights(settings: EncoderSettings) -> str:
    """What tells two versions of a model apart: checksum of its source, of its files, or its revision on the hub."""
    if settings.kind == "tfidf":
        return version("scikit-learn")
    if settings.sources:
        return settings.sources[0].sha256
    if (folder := ROOT / settings.model).is_dir():
        return digest(
            {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        )
    return settings.revision or "main"


def _pooling(model) -> str:
    return next((module.pooling_mode for module in model if hasattr(module, "pooling_mode")), "mean of words")


def _texts(profiles: pd.DataFrame, side: str, count: int) -> list[str]:
    own = profiles[profiles.side == side].sort_values("index")
    if own["index"].tolist() != list(range(count)):
        raise UserError(
            f"the profiles have {len(own)} {side} texts for {count} {side}s: load them for the same dataset"
        )
    return own.text.tolist()


def _ready_made(path: Path, interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
    if not path.is_file():
        raise UserError(f"no file {path} with text vectors")
    readers = {".npy": _from_npy, ".safetensors": _from_safetensors, ".parquet": _from_parquet}
    try:
        return readers[path.suffix](path, interactions.n_users)
    except (ValueError, KeyError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} holds no text vectors ({reason}): see lib.text.load for what it must hold") from None


def _from_npy(path, n_users):
    vectors = np.load(path, allow_pickle=False)
    return vectors[:n_users], vectors[n_users:]


def _from_safetensors(path, _):
    tensors = load_file(path)
    return tensors["users"], tensors["items"]


def _from_parquet(path, _):
    frame = pd.read_parquet(path, columns=["side", "index", "vector"]).sort_values("index")
    sides = [frame[frame.side == side] for side in ("user", "item")]
    if any(side["index"].tolist() != list(range(len(side))) for side in sides):
        raise ValueError("each side needs every index from 0 once")
    return tuple(np.array(side.vector.tolist()) for side in sides)


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
        if len(broken := np.flatnonzero(~np.isfinite(part).all(axis=1))):
            raise UserError(
                f"{where}: NaN or infinity in {len(broken)} {side}, first row {broken[0]}: encode them again"
            )
    if vectors.users.shape[1] != vectors.items.shape[1]:
        raise UserError(
            f"{where}: users and items have {vectors.users.shape[1]} and {vectors.items.shape[1]} dimensions"
        )
    single = {side: part.astype(np.float32) for side, (part, _) in parts.items()}
    return replace(vectors, **single)
