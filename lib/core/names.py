"""Names of cells: the only place that reads and writes them, and the order in which papers list them.

base@contrastive          base with the backbone settings of contrastive
contrastive+weight=0.1    contrastive with a setting that differs from the yaml's
amazon+noise=0.1          a variant of a dataset: with noise, or its `early` or `late` half
minilm+shuffled           a variant of an encoder: `shuffled` vectors, or `metadata` in place of profiles
mine/vectors.npy#1a2b3c4d ready-made vectors: the file, and of which content (lib/core/vector_files.py)
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from lib.core import strict_yaml
from lib.core.errors import UserError

BACKBONES = ("gccf", "lightgcn", "sgl", "simgcl", "dccf", "autocf")  # RLMRec's order
ALIGNMENTS = ("base", "contrastive", "generative")  # RLMRec's
DEFAULT_DATASET = "movielens-100k"  # of `make paper`: everybody can fetch it
MODEL = ["dataset", "encoder", "backbone", "alignment"]  # the columns that name a model in every table
COMPARISON = [*MODEL, "against", "metric"]  # the columns that name a comparison of an aligned model with a base
BASE_AGAIN = "base again"  # base with another seed, where two runs of one model are compared as if one were aligned
VARIANTS_OF_DATA = ("noise", "early", "late")
VARIANTS_OF_TEXT = ("shuffled", "metadata")
LONGEST = 200  # bytes of a folder's name: file systems take 255, and temporary files add to it
VECTOR_FILE = re.compile(r"(.+\.(?:npy|safetensors|parquet))(?:#([0-9a-f]{8}))?")


# Alignments


class AlignmentName(NamedTuple):
    """What the name of an alignment says."""

    kind: str  # base, contrastive, ...: the loss
    settings_of: str  # the alignment whose backbone settings are taken; its own, if the name has no '@'
    changes: dict  # settings that differ from the yaml's


def read_alignment(name: str) -> AlignmentName:
    """'base@contrastive+weight=0.1' in its parts; raises UserError when a change is not key=value or comes twice."""
    plain, added, changed = name.partition("+")
    kind, other, settings_of = plain.partition("@")
    pairs = [pair.partition("=") for pair in changed.split(",")] if added else []
    if broken := [key + mark + value for key, mark, value in pairs if not (key and mark and value)]:
        raise UserError(f"{name}: write changed settings as key=value, not '{broken[0]}'")
    if twice := [key for key, count in Counter(key for key, _, _ in pairs).items() if count > 1]:
        raise UserError(f"{name}: {twice[0]} is changed twice: keep one of them")
    changes = {key: strict_yaml.parse(value, f"{name}: {key}") for key, _, value in pairs}
    return AlignmentName(kind, settings_of if other else kind, changes)


def shortest(name: str) -> str:
    """An alignment's name without a needless '@': 'base@base' is 'base'."""
    kind, settings_of, _ = read_alignment(name)
    return name.replace(f"{kind}@{kind}", kind, 1) if kind == settings_of else name


def matched_base(alignment: str) -> str:
    """'base@contrastive': base with the backbone settings of an alignment, its fair partner in a comparison."""
    return f"base@{alignment}"


def with_settings(alignment: str, **settings) -> str:
    """'contrastive+weight=0.1': an alignment with settings that differ from the yaml's."""
    written = (f"{key}={_number(value)}" for key, value in settings.items())
    return alignment + ("," if "+" in alignment else "+") + ",".join(written)


def _number(value) -> str:
    """A value as names hold it; 1.0 as 1, so that both name the same run folder."""
    # 12 digits are all that anybody chooses, and those behind them come of sums such as 0.1 + 0.2
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def is_matched(alignment: str) -> bool:
    """Whether a name is of the form base@contrastive."""
    kind, settings_of, _ = read_alignment(alignment)
    return kind != settings_of


def is_plain(alignment: str) -> bool:
    """Whether a name is that of an alignment itself: no '@' and no changed setting."""
    return read_alignment(alignment) == (alignment, alignment, {})


def reads_text(alignment: str) -> bool:
    """Whether text plays a part: not in base, with whatever backbone settings."""
    return read_alignment(alignment).kind != "base"


# Variants of datasets and encoders


class Variant(NamedTuple):
    """What the name of a dataset or an encoder says; `kind` and `value` are empty for a plain one."""

    name: str  # the plain name
    kind: str = ""  # of VARIANTS_OF_DATA or VARIANTS_OF_TEXT
    value: str = ""  # as in noise=0.1


def read_dataset(label: str) -> Variant:
    """'amazon+noise=0.1' in its parts; a '+' with anything else behind it belongs to the name."""
    return _variant(label, VARIANTS_OF_DATA)


def read_encoder(label: str) -> Variant:
    """'minilm+shuffled' in its parts; a '+' with anything else behind it belongs to the name, as in a file's."""
    return _variant(label, VARIANTS_OF_TEXT)


def _variant(label: str, kinds: tuple[str, ...]) -> Variant:
    # from the right, since a file of vectors may have a '+' in its own name
    name, _, variant = label.rpartition("+")
    kind, _, value = variant.partition("=")
    known = name and kind in kinds and (kind == "noise" or not value)  # only noise comes with one
    return Variant(name, kind, value) if known else Variant(label)


def with_noise(dataset: str, share: float) -> str:
    """'amazon+noise=0.1': a dataset with that share of random train interactions added; plain for a share of 0."""
    return f"{dataset}+noise={_number(share)}" if share else dataset


def half(dataset: str, which: str) -> str:
    """'movielens-100k+early': each user's `early` or `late` half of the interactions."""
    return f"{dataset}+{which}"


def shuffled(encoder: str) -> str:
    """'minilm+shuffled': vectors permuted among users and among items; on average one keeps its own."""
    return f"{encoder}+shuffled"


def vector_file(encoder: str) -> tuple[str, str]:
    """Path and content hash of ready-made vectors that stand in for an encoder; the hash is empty where none is told.

    Both are empty for the name of a model.
    """
    found = VECTOR_FILE.fullmatch(read_encoder(encoder).name)
    return (found[1], found[2] or "") if found else ("", "")


def encoder_folder(encoder: str) -> str:
    """An encoder's folder in runs/: its name, 'org--model' of a name on the hub, 'vectors-1a2b3c4d' of a file.

    Files of one name differ in the hash of their content, and a name on the hub holds no '--' of its own.
    """
    path, content = vector_file(encoder)
    if content:
        return f"{Path(path).stem}-{content}" + encoder.removeprefix(read_encoder(encoder).name)
    return encoder.replace("/", "--")


def run_folder(dataset: str, encoder: str, backbone: str, alignment: str, seed: int | str) -> str:
    """A run's folder below runs/; text plays no part in base, so its encoder is `none`.

    Raises UserError for a name that could not be a folder there.
    """
    read = encoder_folder(encoder) if reads_text(alignment) else "none"
    parts = {"dataset": dataset, "encoder": read, "backbone": backbone, "alignment": shortest(alignment)}
    for what, part in parts.items():
        # a folder below runs/ and nowhere else, on any system
        if part in ("", ".", "..") or any(sign in "/\\:" or not sign.isprintable() for sign in part):
            raise UserError(
                f"'{part}' cannot name a folder, so it is no name of a {what}: use letters, digits, -, _ and ."
            )
        if len(part.encode()) > LONGEST:
            raise UserError(f"the {what} '{part[:40]}…' has more than {LONGEST} bytes: use a shorter name")
    return "/".join([*parts.values(), f"seed{seed}"])


def runs_of(scale: str) -> str:
    """The folder of a scale's runs and notebooks: tiny trials have one of their own, away from results."""
    return "runs/tiny" if scale == "tiny" else "runs"


def results_folder(paper: str, dataset: str, scale: str) -> str:
    """The folder of a paper's figures and tables of a dataset; those of tiny trials lie beside their runs."""
    return f"{'runs/tiny/' if scale == 'tiny' else ''}figures/{paper}/{dataset}"


# Metrics


def metric_and_k(name: str) -> tuple[str, int]:
    """'recall@20' as its two parts."""
    metric, k = name.split("@")
    return metric, int(k)
