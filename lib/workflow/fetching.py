"""Getting datasets and weights by name, with a note of every file and its hash."""

from collections.abc import Iterator
from pathlib import Path

from lib.core.errors import unknown
from lib.core.files import ROOT, sha256, write_json
from lib.data import datasets, sources
from lib.language.weights import with_weights
from lib.workflow.input_files import fetched, is_data


def fetch(names: list[str], local: Path | None) -> Iterator[str]:
    """Get each, from a folder or archive `local` where one is given; yields what is there and where it came from."""
    for name in names:
        if name in datasets.names():
            folder = ROOT / "data" / name
            origin = datasets.fetch(name, local)
        elif name in (weights := with_weights()):  # asked last: a mistake in an encoder's file stops no dataset
            folder = ROOT / weights[name].model
            origin = sources.fetch(weights[name].sources, folder, local=local)
        else:
            raise unknown("dataset or weights", name, [*datasets.names(), *weights])
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "source.json"]
        files = [*filter(is_data, files)] if folder.parent == ROOT / "data" else files  # else weights
        write_json(ROOT / fetched(name), {path.relative_to(folder).as_posix(): sha256(path) for path in files})
        yield f"{name}: {len(files)} files in {folder.relative_to(ROOT)} from {origin.get('source', 'your own copy')}"
