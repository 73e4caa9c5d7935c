"""Datasets by name: their settings, fetching them, and reading them whatever their format.

data = datasets.load("movielens-100k")
data.train, data.items.title, datasets.card(data, datasets.settings("movielens-100k"))
samples = datasets.load_samples("movielens-100k")
samples.rows, samples.history(0)
sequences = datasets.load_sequences("movielens-100k")
sequences.of(0), sequences.texts
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, read_yaml
from lib.core.settings import validated
from lib.data import sources
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import SPLITS, Interactions
from lib.data.rated import amazon, bookcrossing, click_split, histories
from lib.data.rated import movielens as rated_movielens
from lib.data.rated import table as rated_table
from lib.data.rated.edges import FIDELITIES
from lib.data.readers import movielens, npz, rlmrec, table
from lib.data.samples import Samples
from lib.data.sequences import from_dated, sequence_files
from lib.data.sequences.user_sequences import Sequences, at_least

PARAMS, DATA = ROOT / "params", ROOT / "data"
READERS = (movielens, rlmrec, npz, table)  # the first that knows a folder's files reads it
RATED = (rated_movielens, click_split, bookcrossing, amazon, rated_table)  # the same for samples


def names(params: Path = PARAMS) -> list[str]:
    """The datasets that have a `params/<name>/dataset.yaml`, sorted."""
    return sorted(path.parent.name for path in Path(params).glob("*/dataset.yaml"))


def settings(name: str, params: Path = PARAMS) -> DatasetSettings:
    """The checked content of `params/<name>/dataset.yaml`; raises UserError for an unknown dataset or key."""
    if name not in names(params):
        raise unknown("dataset", name, names(params))
    path = Path(params) / name / "dataset.yaml"
    chosen = validated(DatasetSettings, read_yaml(path), str(path))
    if chosen.name != name:  # the recorded answers of language models lie under this name
        raise UserError(f"{path} says name: {chosen.name}, but lies in the folder {name}: make both the same")
    return chosen


def fetch(name: str, local: Path | None = None, params: Path = PARAMS, data: Path = DATA) -> dict:
    """Fill `data/<name>` from the dataset's sources, or from the folder or archive `local`, and return its source.json.

    `local` may also be a folder that holds one named like the dataset. Raises UserError when no source works.
    """
    chosen = settings(name, params)
    if local is not None and Path(local).is_dir():
        local = Path(local) / name if (Path(local) / name).is_dir() else Path(local)
        _readable(local)  # raises an error before a folder is copied that nothing can read
    return sources.fetch(chosen.sources, Path(data) / name, Path(data) / "downloads", local)


def load(name: str, params: Path = PARAMS, data: Path = DATA) -> Interactions:
    """Interactions of dataset `name` from the folder `data/<name>`; raises UserError when there is no such folder."""
    return read(_there(name, params, data), settings(name, params))


def load_samples(name: str, fidelity: str = "paper", params: Path = PARAMS, data: Path = DATA) -> Samples:
    """Rated samples of dataset `name` from the folder `data/<name>`, as the block `samples` of its dataset.yaml says.

    `fidelity` "paper" is what the text of RALLRec says, "legacy" what its code does: ratings that repeat a user and
    item stay, and no validation split is carved out of train. Raises UserError for a dataset without samples.
    """
    if fidelity not in FIDELITIES:
        raise unknown("fidelity", fidelity, FIDELITIES)
    chosen = settings(name, params)
    if chosen.samples is None:
        remedy = "add 'samples: {liked_above: 3, scale: [1, 5]}'"
        raise UserError(f"{Path(params) / name / 'dataset.yaml'} has no block 'samples': {remedy}, as its ratings need")
    folder = _there(name, params, data)
    reader = next((reader for reader in RATED if reader.matches(folder)), None)
    if reader is None:
        raise UserError(f"no ratings in {folder}: click prediction needs them, and these are interactions without any")
    return histories.samples(reader.read(folder, chosen), chosen.samples, name, fidelity)


def load_sequences(name: str, params: Path = PARAMS, data: Path = DATA) -> Sequences:
    """Sequences of dataset `name` from the folder `data/<name>`, as the block `sequences` of its dataset.yaml says.

    Made of files with sequences, or else of dated interactions with the users and items that `load` gives, or of dated
    ratings. Raises UserError for a dataset whose events have no order.
    """
    folder, chosen = _there(name, params, data), settings(name, params)
    rated = next((reader for reader in RATED if reader.matches(folder)), None)
    if sequence_files.matches(folder):
        sequences = sequence_files.read(folder, chosen)
    elif rated is None or any(reader.matches(folder) for reader in READERS):
        sequences = from_dated.of_interactions(read(folder, chosen))
    else:
        sequences = from_dated.of_ratings(rated.read(folder, chosen), chosen)
    return replace(at_least(sequences, chosen.sequences.min_events), tail=chosen.sequences.tail)


def _there(name: str, params: Path, data: Path) -> Path:
    """The folder of a dataset; raises UserError with what to do when it is not there."""
    chosen, folder = settings(name, params), Path(data) / name
    if not folder.is_dir():
        by_hand = f"run: python -m lib fetch {name} --from FOLDER, see {chosen.url}"
        by_hand = by_hand if chosen.url else f"put interactions.csv into {folder}"
        remedy = f"run: python -m lib fetch {name}" if chosen.sources else by_hand
        raise UserError(f"{chosen.title} is not there yet, {remedy}")
    return folder


def has_dates(name: str, data: Path = DATA) -> bool:
    """Whether interactions of a dataset are dated, told by its files without reading them; True where none is here."""
    folder = Path(data) / name
    return next((reader.has_dates(folder) for reader in READERS if reader.matches(folder)), True)


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """Interactions in `folder`, by the reader that knows its files; raises UserError when none does."""
    return _reader(Path(folder)).read(Path(folder), settings)


def _reader(folder: Path):
    """The module of readers/ that can read `folder`; raises UserError when none can."""
    for reader in READERS:
        if reader.matches(folder):
            return reader
    if any(reader.matches(folder) for reader in RATED):
        raise UserError(f"{folder} holds rated samples for click prediction: read it with datasets.load_samples")
    if sequence_files.matches(folder):
        raise UserError(f"{folder} holds sequences without dates or splits: read it with datasets.load_sequences")
    raise UserError(
        f"no data in {folder}: it needs u.data (MovieLens), trn_mat.pkl (RLMRec), train.npz, sequences.parquet, or "
        "interactions.csv, .tsv or .parquet with columns user,item[,rating,timestamp]"
    )


def _readable(folder: Path) -> None:
    """Raise UserError when no reader knows the files in `folder`."""
    if not any(reader.matches(folder) for reader in (sequence_files, *RATED)):
        _reader(folder)


def card(interactions: Interactions, settings: DatasetSettings) -> dict:
    """What to know of a dataset before using it, by name: counts, density, train degrees, licence, citation.

    The degree of a user or an item is its number of train interactions. Where a rating threshold or a k-core dropped
    anything, users, items and interactions are counted before and after. Numbers have the digits that a reader needs.
    """
    counts = {split: getattr(interactions, split).nnz for split in SPLITS}
    n_users, n_items = interactions.train.shape
    return {
        "title": settings.title, "users": n_users, "items": n_items, "interactions": sum(counts.values()), **counts,
        **_dropped(interactions),
        "density": readable(sum(counts.values()) / (n_users * n_items)),
        "test users": int((np.diff(interactions.test.indptr) > 0).sum()),
        **_quantiles("user", np.diff(interactions.train.indptr)),
        **_quantiles("item", np.bincount(interactions.train.indices, minlength=n_items)),
        "licence": settings.licence, "citation": settings.citation, "url": settings.url,
        "fingerprint": interactions.fingerprint,
    }  # fmt: skip


def _quantiles(side: str, degrees: np.ndarray) -> dict:
    """Least, largest and three values between them of `degrees` [n], by name."""
    quantiles = {"min": 0, "lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75, "max": 1}
    return {f"{side} degree, {name}": readable(np.quantile(degrees, at)) for name, at in quantiles.items()}


def _dropped(interactions: Interactions) -> dict[str, str]:
    """'2271 users, 1500 items, 30211 interactions' at each step of the preparation; empty where nothing was dropped."""
    kept = {} if interactions.events is None else interactions.events.attrs.get("kept", {})
    told = {step: ", ".join(f"{count} {what}" for what, count in counts.items()) for step, counts in kept.items()}
    return told if len(set(told.values())) > 1 else {}


def readable(number: float) -> int | float:
    """`number` with three digits, or all of them before the point."""
    return round(number) if number == round(number) or abs(number) >= 100 else float(f"{number:.3g}")
