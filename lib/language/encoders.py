"""Texts to vectors by any encoder: sentence-transformers, language models, word vectors, TF-IDF; kept on disk."""

from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, atomic_path, digest, read_yaml, sha256
from lib.core.progress import Progress, without_widgets
from lib.core.settings import Strict, validated
from lib.data.dataset_settings import Source
from lib.language.llm import language_models
from lib.language.llm.language_models import LocalModel, Precision
from lib.language.term_vectors import DECIMALS, term_vectors

CHUNK = 8  # batches between two signs of progress


class EncoderSettings(Strict):
    """A text encoder: `params/encoders/<name>.yaml`."""

    name: str = Field(description="file name; folder name in runs/")
    kind: Literal["transformer", "hidden", "static", "tfidf"] = Field(
        "transformer",
        description="sentence-transformers model, mean of a causal language model's last states, mean of a table's "
        "word vectors, or TF-IDF with SVD",
    )
    model: str = Field(
        description="folder, relative to the repository, or name on the Hugging Face hub; hidden: or a name in "
        "params/language_models; tfidf: its name"
    )
    dimensions: int | None = Field(None, ge=1, description="of tfidf")
    precision: Precision | None = Field(None, description="of hidden; none: float32")
    revision: str | None = Field(None, description="commit of a model on the hub")
    sources: list[Source] = Field([], description="where the folder comes from, as for datasets")
    normalise: bool = Field(True, description="scale every vector to length 1")
    batch_size: int = Field(64, ge=1)


def settings(encoder: str, params: Path = ROOT / "params") -> EncoderSettings:
    """The checked content of `params/encoders/<encoder>.yaml`, or settings for a model's folder or hub name."""
    folder = Path(params) / "encoders"
    path = folder / f"{encoder}.yaml"
    if path.is_file():
        return validated(EncoderSettings, read_yaml(path), str(path))
    if "/" in encoder or Path(encoder).is_dir():
        return EncoderSettings(name=Path(encoder).name, model=encoder)
    raise unknown("encoder", encoder, ["published", *(known.stem for known in folder.glob("*.yaml"))])


def encode(texts: list[str], settings: EncoderSettings, cache: Path) -> tuple[np.ndarray, dict]:
    """Vectors float32 [N, T] and what made them: model, revision, pooling, normalised.

    They are computed once for the same texts and encoder, then read from the folder `cache`. Raises UserError when the
    model cannot be loaded.
    """
    decides = _identity(settings)
    path = Path(cache) / f"{digest(decides, list(texts))}.safetensors"
    if (known := _cached(path)) is not None:
        return known
    if settings.kind == "tfidf":
        vectors = term_vectors(texts, settings.dimensions, settings.normalise)
        pooling = "singular value decomposition"
    elif settings.kind == "hidden":
        from lib.language import hidden_states  # imports torch

        how = (settings.normalise, settings.precision or "float32")
        vectors, pooling = hidden_states.vectors(texts, _language_model(settings), *how), "mean of last states"
    else:
        model = _model(settings)
        vectors, pooling = _vectors(model, texts, settings), _pooling(model)
    about = {"model": settings.model, "revision": decides["weights"], "pooling": pooling}
    about |= {"normalised": str(settings.normalise).lower()}  # safetensors keeps text only
    with atomic_path(path) as temporary:
        save_file({"vectors": vectors}, temporary, metadata=about)
    return vectors, about | {"normalised": settings.normalise}


def _identity(settings: EncoderSettings) -> dict:
    """All that decides a vector besides its text, so neither name nor batch size."""
    found = settings.model_dump(include={"model", "revision", "normalise"}) | {"weights": _weights(settings)}
    # only where it is set, so that the keys of all other encoders do not depend on it
    found |= {"dimensions": settings.dimensions} if settings.dimensions else {}
    return found | ({"hidden": settings.precision} if settings.kind == "hidden" else {})


def identity(settings: EncoderSettings) -> str:
    """Content hash of all that decides a vector besides its text."""
    return digest(_identity(settings))


def _cached(path: Path) -> tuple[np.ndarray, dict] | None:
    """What `encode` wrote into `path`, if that is there and whole."""
    try:
        with safe_open(path, "numpy") as file:
            vectors, about = file.get_tensor("vectors"), file.metadata()
    except (FileNotFoundError, SafetensorError):  # nothing there, or a damaged file: encode again
        return None
    return vectors, about | {"normalised": about["normalised"] == "true"}


def _vectors(model, texts: list[str], settings: EncoderSettings) -> np.ndarray:
    """Vectors of `texts`; the longest are encoded first, so that neighbours in a batch need little padding."""
    order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
    parts, step = [], CHUNK * settings.batch_size
    with Progress(len(texts), f"text vectors ({settings.name})", "text") as progress:
        for start in range(0, len(order), step):
            chunk = [texts[index] for index in order[start : start + step]]
            how = {"batch_size": settings.batch_size, "normalize_embeddings": settings.normalise}
            parts.append(model.encode(chunk, show_progress_bar=False, **how))
            progress.update(len(chunk))
    vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors


def _static(folder: Path):
    """The only tokenizer and the only weights in a folder, as a model that averages word vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer

    # exactly one of each: with two it would be open which of them the vectors come from
    (tokenizer,), (weights,) = folder.glob("*tokenizer*.json"), folder.glob("*.safetensors")
    (table,) = load_file(weights).values()
    words = StaticEmbedding(Tokenizer.from_file(str(tokenizer)), embedding_weights=table.astype(np.float32))
    return SentenceTransformer(modules=[words], device="cpu")


def _model(settings: EncoderSettings):
    """A sentence-transformers model; raises UserError when its weights are not there or are none."""
    with without_widgets():
        from sentence_transformers import SentenceTransformer  # takes seconds to import
        from transformers.utils import logging

    logging.disable_progress_bar()  # of loading the weights, which takes a second
    folder = ROOT / settings.model
    if settings.sources and not folder.is_dir():
        raise UserError(f"the weights of {settings.name} are not in {folder}: run: python -m lib fetch {settings.name}")
    if settings.kind == "static":
        return _static(folder)
    where = {"local_files_only": True} if folder.is_dir() else {"revision": settings.revision}
    try:
        return SentenceTransformer(str(folder) if folder.is_dir() else settings.model, device="cpu", **where)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot load the text encoder {settings.model}: {reason}") from None


def _weights(settings: EncoderSettings) -> str:
    """What tells two versions of a model apart: checksum of its source, of its files, or its revision on the hub."""
    if settings.kind == "tfidf":
        # there are no weights: what could change the vectors is the library, and how they are rounded
        return f"{version('scikit-learn')}, {DECIMALS} decimals"
    if settings.kind == "hidden":
        return language_models.weights_digest(_language_model(settings))
    if settings.sources:
        return settings.sources[0].sha256
    if (folder := ROOT / settings.model).is_dir():
        return digest(
            {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        )
    return settings.revision or "main"


def _language_model(settings: EncoderSettings) -> LocalModel:
    found = language_models.load_local(settings.model)
    return found.model_copy(update={"revision": settings.revision}) if settings.revision else found


def _pooling(model) -> str:
    """How a model makes one vector of a text's tokens; averaging word vectors has no module for it."""
    return next((module.pooling_mode for module in model if hasattr(module, "pooling_mode")), "mean of words")
