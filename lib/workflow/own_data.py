"""A dataset of a user's own tables: its folder in data/, its settings in params/, checked before they are written."""

import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import yaml

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT
from lib.core.names import DEFAULT_DATASET
from lib.core.settings import validated
from lib.core.strict_yaml import parse
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions
from lib.data.readers.table import SEPARATORS
from lib.language import profiles
from lib.language.weights import with_weights
from lib.models import backbones as known_backbones

SUFFIXES = (*SEPARATORS, ".parquet")
TAKEN = ("all", "default", "none", "shared", "tiny")  # these mean something else in commands, figures/ and runs/
EXPERIMENTS = """\
# What `make paper DATASET={name}` makes; params/experiments.yaml explains the keys and has larger examples.
rlmrec:
  grid:
    scale: quick
    encoder: {encoder}
    backbones: [{backbones}]
    alignments: [{alignments}]
    seeds: [2023]
  notebooks:
    06_tables: {{}}
    10_groups: {{}}   # with popularity, random order and, where there are texts, text alone
"""
WITH_TEXTS = dict(encoder="minilm", alignments="base, contrastive")
WITHOUT = dict(encoder="none", alignments="base")


def make(name: str, tables: dict[str, Path | None], backbones: list[str], settings: dict, root: Path = ROOT) -> str:
    """Make the dataset `name` below `root` and return what to know of it and what to do next.

    tables: the files of interactions, items and users, of which the last two may be None; they are copied into
    data/<name>, or used where they are if they lie there. settings: further keys of dataset.yaml. Raises UserError for
    a mistake in them, and rather than replace anything; nothing is left behind then.
    """
    params, data = root / "params", root / "data"
    chosen = {"name": name, "title": name} | {key: parse(value, f"--{key}") for key, value in settings.items()}
    if "title" in settings:
        chosen["title"] = settings["title"]  # as it was typed: 2024 is a title too
    tables = {stem: Path(path) for stem, path in tables.items() if path is not None}
    in_place = all(path.resolve().parent == (data / name).resolve() for path in tables.values())
    _check_name(name, params, data, in_place)
    about = validated(DatasetSettings, chosen, "dataset.yaml")
    written = {f"{backbone}.yaml": _cell(name, backbone, params) for backbone in dict.fromkeys(backbones)}
    with _folder(data) as copies, _folder(params) as settings_folder:
        _copy(tables, copies, in_place)
        folder = data / name if in_place else copies
        with _told_of_the_given_files(tables, folder):
            interactions = datasets.read(folder, about)
            every = datasets.read(folder, about.model_copy(update={"core": 1, "minimum_rating": None}))
            texts = _texts(interactions)
        values = WITH_TEXTS if texts else WITHOUT
        written["experiments.yaml"] = EXPERIMENTS.format(name=name, backbones=", ".join(backbones), **values)
        written["dataset.yaml"] = yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True)
        for file, text in written.items():
            (settings_folder / file).write_text(text, encoding="utf-8")
        if not in_place:
            copies.rename(data / name)
        settings_folder.rename(params / name)
    files = ", ".join(sorted(written))
    return "\n".join([*_card(interactions, about, every), texts or _NO_TEXTS, "", f"written: params/{name}/ ({files})",
                      f"next: make paper DATASET={name}"])  # fmt: skip


_NO_TEXTS = (
    "texts               none, so base models only: alignment needs a text for every item in a column profile of "
    "--items, or a language_model in dataset.yaml"
)


def _check_name(name: str, params: Path, data: Path, in_place: bool) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII) or name in (*TAKEN, *with_weights()):
        raise UserError(f"'{name}' cannot name a dataset: take another name of letters, digits, '_', '-' and '.'")
    there = [folder for folder in (params / name, data / name) if folder.exists()]
    if there and not (in_place and there == [data / name]):
        raise UserError(f"{there[0]} is there already and stays as it is: take another name, or remove it first")


def _cell(name: str, backbone: str, params: Path) -> str:
    """The yaml of a backbone with the settings of the default dataset."""
    known_backbones.get(backbone)
    template = params / DEFAULT_DATASET / f"{backbone}.yaml"
    if not template.exists():
        have = [path.stem for path in template.parent.glob("*.yaml") if path.stem in known_backbones.names()]
        raise unknown(f"settings in params/{DEFAULT_DATASET} of", backbone, have)
    text = template.read_text(encoding="utf-8")
    return re.sub(rf"(?m)^dataset: {re.escape(DEFAULT_DATASET)}\b.*$", f"dataset: {name}", text)


def _copy(tables: dict[str, Path], folder: Path, in_place: bool) -> None:
    """Copy the tables under the names that the reader knows; raises UserError for a file that can be none."""
    for stem, path in tables.items():
        if path.suffix not in SUFFIXES:
            raise UserError(f"{path} must be a table that ends in {', '.join(SUFFIXES)}: save it as one of these")
        if not path.is_file():
            raise UserError(f"no file {path}: check the path of the {stem}")
        if not in_place:
            shutil.copyfile(path, folder / f"{stem}{path.suffix}")


@contextmanager
def _folder(parent: Path):
    """A new folder in `parent`, to be filled and renamed; what is not renamed is gone afterwards."""
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_of_the_given_files(tables: dict[str, Path], folder: Path):
    """Errors of the readers name the user's own files, and options in place of a dataset.yaml that is yet to come."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for stem, path in tables.items():
            text = text.replace(str(folder / f"{stem}{path.suffix}"), str(path))
        if "dataset.yaml" in text:
            text += " (options of this command write it: --core, --minimum-rating, --duplicates)"
        raise UserError(text) from None


def _texts(interactions: Interactions) -> str:
    """Whose texts there are, in words; empty without texts of items."""
    if interactions.items is None or "profile" not in interactions.items:
        return ""
    found = profiles.of_dataset(interactions)
    by = "made of their train items'" if "train items" in set(found.writer) else "column profile"
    return f"texts               items: column profile; users: {by}"


def _card(interactions: Interactions, about: DatasetSettings, every: Interactions) -> list[str]:
    """The data card as lines, with what threshold and k-core left out."""
    card = datasets.card(interactions, about)
    total = every.n_users, every.n_items, sum(getattr(every, split).nnz for split in datasets.SPLITS)
    lines = {key: f"{card[key]:,}" for key in ("users", "items", "interactions")}
    for (key, kept), before in zip(lines.items(), total, strict=True):
        lines[key] = kept if before == card[key] else f"{kept} of {before:,}, after minimum rating and k-core"
    lines["splits"] = ", ".join(f"{card[split]:,} {split}" for split in datasets.SPLITS)
    lines["density"] = f"{card['density']:.2%}"
    lines["train interactions"] = "; ".join(
        f"per {side} {card[f'{side} degree, min']:.0f} to {card[f'{side} degree, max']:,.0f}, "
        f"median {card[f'{side} degree, median']:.0f}"
        for side in ("user", "item")
    )
    return [about.title, *(f"{key:19} {value}" for key, value in lines.items())]
