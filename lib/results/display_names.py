"""The names that people read, for those that files, folders and settings have: GCCF, NDCG@20, 'shuffled text'.

A name that is not known here, such as that of a backbone somebody added, stays as it is.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT, read_yaml
from lib.core.names import BASE_AGAIN, metric_and_k, read_alignment, read_dataset, read_encoder, vector_file

BACKBONES = {
    "gccf": "GCCF", "lightgcn": "LightGCN", "sgl": "SGL", "simgcl": "SimGCL", "dccf": "DCCF", "autocf": "AutoCF",
    "sasrec": "SASRec", "dreamrec": "DreamRec", "llm_esr": "LLM-ESR",
}  # fmt: skip
METHODS = {  # of sequential recommenders: where item vectors come from
    "base": "Base", "identity": "IDs", "text_linear": "text, linear", "llminit": "LLMInit", "llm_init": "LLMInit",
    "morec": "MoRec", "unisrec": "UniSRec", "whitenrec": "WhitenRec", "rlmrec": "RLMRec", "rlmrec_con": "RLMRec-Con",
    "rlmrec_gen": "RLMRec-Gen", "rlmrec_align": "RLMRec-Align", "llm_esr": "LLM-ESR", "alphafuse": "AlphaFuse",
    "fixed_text": "iDreamRec", "idreamrec": "iDreamRec", "pte": "PtE",
}  # fmt: skip
LOSSES = {"infonce": "InfoNCE", "softmax": "full softmax", "bce": "BCE", "diffusion": "diffusion"}
ALIGNMENTS = {"base": "Base", "contrastive": "Contrastive", "generative": "Generative", "kar": "KAR"}
METRICS = {
    "recall": "Recall", "ndcg": "NDCG", "mrr": "MRR", "hr": "HR", "auc": "AUC", "acc": "Accuracy",
    "log_loss": "Log loss", "log_loss_legacy": "Log loss (legacy)", "relevance_auc": "Relevance AUC",
    "brier": "Brier score", "v_information": "V-information", "r_col": "R_col", "r_dis": "R_dis", "r_fmt": "R_fmt",
    "reward": "Reward", "good": "Good picks",
}  # fmt: skip
ENCODERS = {
    "minilm": "MiniLM", "tfidf": "TF-IDF", "wordllama": "WordLlama", "smollm2-hidden": "SmolLM2",
    "published": "published vectors", "none": "no text",
}  # fmt: skip
TEXTS = {"shuffled": "shuffled text", "metadata": "metadata"}  # variants of an encoder
PARTS = {"early": "early half", "late": "late half"}  # variants of a dataset


def dataset(name: str) -> str:
    """'MovieLens-100K', the title in params/<name>/dataset.yaml; 'MovieLens-100K, noise 0.1' for a variant."""
    plain, kind, value = read_dataset(name)
    settings = ROOT / "params" / plain / "dataset.yaml"
    title = read_yaml(settings)["title"] if settings.is_file() else plain
    return f"{title}, {PARTS.get(kind, f'{kind} {value}')}" if kind else title


def backbone(name: str) -> str:
    """'LightGCN' for lightgcn."""
    return BACKBONES.get(name, name)


def method(name: str) -> str:
    """'AlphaFuse' for alphafuse."""
    return METHODS.get(name, name)


def loss(name: str) -> str:
    """'full softmax' for softmax."""
    return LOSSES.get(name, name)


def alignment(name: str) -> str:
    """'Contrastive' for contrastive, 'Base, settings of Contrastive' for base@contrastive, 'text' for text itself."""
    if name.startswith(BASE_AGAIN):
        return f"Base (seed {name.removeprefix(BASE_AGAIN).strip()})"
    kind, settings_of, changes = read_alignment(name)
    parts = [ALIGNMENTS.get(kind, kind)]
    parts += [f"settings of {ALIGNMENTS.get(settings_of, settings_of)}"] * (settings_of != kind)
    return ", ".join([*parts, *(f"{key} {value}" for key, value in changes.items())])


def metric(name: str) -> str:
    """'NDCG@20' for ndcg@20; the k may be missing."""
    if "@" not in name:
        return METRICS.get(name, name)
    plain, k = metric_and_k(name)
    return f"{METRICS.get(plain, plain)}@{k}"


def encoder(name: str) -> str:
    """'MiniLM' for minilm, 'MiniLM, shuffled text' for minilm+shuffled, the file's name for ready-made vectors."""
    plain, kind, _ = read_encoder(name)
    path, _ = vector_file(name)
    shown = Path(path).stem if path else ENCODERS.get(plain, plain)
    return f"{shown}, {TEXTS[kind]}" if kind else shown


NAMED = {  # by the column that holds names
    "dataset": dataset, "backbone": backbone, "alignment": alignment, "against": alignment, "space": alignment,
    "metric": metric, "encoder": encoder, "method": method, "loss": loss,
}  # fmt: skip


def in_table(cells: pd.DataFrame) -> pd.DataFrame:
    """A table of texts for people: names in its columns of names, and columns that are called by an alignment."""
    shown = {name: {text: _named(name, text) for text in cells[name].unique()} for name in NAMED if name in cells}
    return cells.replace(shown).rename(columns=ALIGNMENTS)


def _named(column: str, text: str) -> str:
    """The display name of a text in a column; empty cells and other texts, such as 'matched base', stay as they are."""
    with contextlib.suppress(UserError, ValueError):
        return NAMED[column](text) if text else text
    return text


def listed(names: Iterable[str]) -> str:
    """'a, b and c'."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
