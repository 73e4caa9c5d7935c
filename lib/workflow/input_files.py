"""Which files decide a result besides the code that it imports; a change of one makes it out of date."""

import os
from pathlib import Path

from lib.core.files import ROOT, read_yaml
from lib.core.names import read_alignment, read_dataset, read_encoder, reads_text
from lib.core.vector_files import parts


def fetched(name: str) -> str:
    """What `python -m lib fetch` notes of a dataset or of weights: their files and hashes."""
    return f"data/cache/fetched/{name}.json"


def recorded_run(dataset: str, folder) -> str:
    """The file that may hold a recorded run of a dataset or its variants, by the run's folder below runs/."""
    return f"data/recorded/{read_dataset(dataset).name}/runs/{folder}.zip"


# parquet files that readers know
TABLES = ("interactions", "users", "items", "samples", "ratings", "books", "sequences", "split")


# what decides the recommenders that a paper's notebooks train: settings, modules picked by name, recorded runs
BESIDE = {
    "pte": (
        "params/papers/sequential.yaml",
        "lib/models/sequential/items/*.py",
        "lib/training/sequence_models/*.py",
        "data/recorded/{dataset}/sequential/**/*.zip",
    ),
}


def is_data(path: Path) -> bool:
    """Whether a file in a dataset's folder is read as data: not vectors and lists of whose they are."""
    vectors = path.suffix in (".npy", ".safetensors") or path.name.endswith("order.csv")
    return not vectors and (path.suffix != ".parquet" or path.stem in TABLES)


def dataset_files(dataset: str) -> list[str]:
    """What decides the interactions and profiles of a dataset."""
    settings = f"params/{dataset}/dataset.yaml"
    files = sorted(ROOT.glob(f"data/recorded/{dataset}/*/*.json*"))  # one level deeper lie unfinished ones
    if not read_yaml(ROOT / settings).get("sources"):  # a user's own files, which nothing fetches
        files += sorted(path for path in ROOT.glob(f"data/{dataset}/*") if path.is_file() and is_data(path))
    return [fetched(dataset), settings] + [path.relative_to(ROOT).as_posix() for path in files]


def paper_files(paper: str, dataset: str) -> list[str]:
    """Settings of a paper that are not those of a grid's cells, and what is recorded for it alone."""
    recorded = sorted(ROOT.glob(f"data/recorded/{dataset}/{paper}/**/*.*"))
    beside = [path for pattern in BESIDE.get(paper, ()) for path in sorted(ROOT.glob(pattern.format(dataset=dataset)))]
    files = [ROOT / f"params/papers/{paper}.yaml", *beside, *recorded]
    names = (path.relative_to(ROOT).as_posix() for path in files if path.is_file())
    return [name for name in names if "/." not in name and "unfinished-" not in name]


def encoder_files(encoder: str) -> list[str]:
    """Settings and weights of a named encoder, or ready-made vectors and the list of whose they are."""
    encoder = read_encoder(encoder).name
    settings = f"params/encoders/{encoder}.yaml"
    if (ROOT / settings).is_file():
        content = read_yaml(ROOT / settings)
        hidden = language_model_files(content["model"]) if content.get("kind") == "hidden" else []
        return _with_weights(settings, encoder) + hidden
    return [os.path.relpath(part, ROOT) for part in parts(encoder)]


def language_model_files(name: str) -> list[str]:
    """Settings and weights of a language model in params/language_models; of a folder or hub name none."""
    settings = f"params/language_models/{name}.yaml"
    return _with_weights(settings, name) if (ROOT / settings).is_file() else []


def _with_weights(settings: str, name: str) -> list[str]:
    return [settings] + ([fetched(name)] if read_yaml(ROOT / settings).get("sources") else [])


def component_files(backbone: str, alignment: str) -> list[str]:
    """The modules of lib that a graph recommender picks by name at run time, which no import statement shows."""
    kind = read_alignment(alignment).kind
    files = [f"lib/models/backbones/{backbone}.py"]
    return files if kind == "base" else [*files, f"lib/models/alignment/{kind}.py"]


def cell_files(dataset: str, backbone: str, alignment: str, encoder: str) -> list[str]:
    """What decides one training run besides its parameters; text plays no part in base."""
    text = encoder_files(encoder) if reads_text(alignment) else []
    return [*dataset_files(dataset), "params/protocol.yaml", *component_files(backbone, alignment), *text]
