"""From measured rows to a table for people, to figures, and to files."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.environment import environment
from lib.core.files import ROOT
from lib.core.fingerprints import code_digest
from lib.core.names import ALIGNMENTS, BACKBONES
from lib.results import display_names, records
from lib.results.plots.theme import GREY, PAGE, Figure, figure_function, grid_of, legend_below, light_grid, ordered

COLUMNS = [
    "dataset", "device", "threads", "width", "backbone", "alignment", "implementation", "engine", "turns", "epoch_s",
    "epoch_min_s", "epoch_max_s", "evaluation_s", "memory_mib", "gpu_mib", "gb_per_s", "gflop_per_s",
]  # fmt: skip
CELL = ["backbone", "alignment"]
HERE = Path(__file__).parent
RESULTS = ROOT / "figures/benchmarks"
OTHERS = ("textbook", "pyg", "pyg-csr")  # measured in turns with ours, so ratios can be taken
ELSEWHERE = ("public", "paper")  # seconds of other machines, shown without a ratio
# whose published seconds stand beside a device's: of what hardware
PUBLISHED = {"cpu": {"public": "two cores"}, "cuda": {"public": "H200", "paper": "RTX 3090"}}
# what each is called, with a colour and a marker; the first is ours
SHOWN = {
    "ours": ("RepRec", "#004C7F", "o"),
    "textbook": ("textbook: plain torch", "#E69F00", "^"),
    "pyg": ("PyTorch Geometric, edge list", "#CC79A7", "s"),
    "pyg-csr": ("PyTorch Geometric, CSR matrix", "#882255", "D"),
    "public": ("RLMRec's public code", "#999999", "x"),
    "paper": ("the paper", "#56B4E9", "+"),
}


def public(dataset: str, device: str, width: int, path: Path = HERE / "public.csv") -> pd.DataFrame:
    """Rows of the public code's published seconds for a dataset, on hardware like `device` and with texts as wide."""
    table = pd.read_csv(path)
    table = table[(table.dataset == dataset) & ((table.width == width) | (table.alignment == "base"))]
    kind = "cuda" if device.startswith("cuda") else "cpu"
    rows = []
    for name, hardware in PUBLISHED[kind].items():
        own = table[table.hardware == hardware]
        ranking = own.loc[own.measure == "evaluation_s", "seconds"]
        own = own[own.measure == "epoch_s"].rename(columns={"seconds": "epoch_s"})[[*CELL, "epoch_s"]]
        rows.append(own.assign(implementation=name, evaluation_s=ranking.iloc[0] if len(ranking) else np.nan))
    return pd.concat(rows).assign(dataset=dataset, device=device, width=width)


def save(stem: Path, table: pd.DataFrame, layout: pd.DataFrame, figure: Figure, script: str, **about) -> None:
    """Write the table, and its figure as <stem>-figure, with a record of the machine.

    layout: the table for people; script: the module that ran; about: claim, command, ours and settings.
    """
    about = save_table(stem, table, script, layout=layout, **about)
    records.save(figure, stem.with_name(f"{stem.name}-figure"), table=stem.name, **about)


def save_table(stem: Path, table: pd.DataFrame, script: str, layout: pd.DataFrame | None = None, **about) -> dict:
    """Write a table alone, as `save` does; returns what its record says."""
    manifest = {"settings": about.pop("settings"), "inputs": {}} | environment()
    about |= {"notebook": f"benchmarks/{script}.py", "runs": [manifest]}
    # a record's own digest follows imports of lib only, so the other files of this folder are named as an input
    about["inputs"] = {"benchmarks": code_digest(sorted(HERE.glob("*.py")))}
    records.save(table, stem, layout=layout, **about)
    return about


def tidy(rows: list[dict], published: pd.DataFrame) -> pd.DataFrame:
    """Measured rows, and published rows of the same cells under them, in COLUMNS."""
    measured = pd.DataFrame(rows)
    published = published.merge(measured[CELL].drop_duplicates())
    table = pd.concat([measured, published]).reindex(columns=COLUMNS).reset_index(drop=True)
    return table.astype({"turns": "Int64"})


def speedups(table: pd.DataFrame) -> str:
    """In words, for the index: how many times as fast as each other implementation ours is, over all cells."""
    ours = table[table.implementation == "ours"].groupby(CELL)["epoch_s"].min()
    said = []
    for name in OTHERS:
        ratios = (table[table.implementation == name].set_index(CELL)["epoch_s"] / ours).dropna()
        if len(ratios):
            said.append(f"{name}: {ratios.min():.1f} to {ratios.max():.1f} times in {len(ratios)}")
    return "; ".join(said)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """One line per cell and engine of ours: seconds and memory, then the others, in brackets how many times ours."""
    lines = []
    for row in table[table.implementation == "ours"].to_dict("records"):
        same = (table[CELL] == [row[name] for name in CELL]).all(axis=1)
        rest = table[same & (table.implementation != "ours")].set_index("implementation")
        lines.append(_line(row, rest.to_dict("index")))
    order = {name: place for palette in (BACKBONES, ALIGNMENTS) for place, name in enumerate(palette)}
    frame = pd.DataFrame(lines).sort_values(CELL, key=lambda names: names.map(order), kind="stable")
    return frame.dropna(axis=1, how="all").reset_index(drop=True)


def _line(row: dict, others: dict) -> dict:
    line = {name: row[name] for name in (*CELL, "engine")}
    memory = "memory_mib" if pd.isna(row["gpu_mib"]) else "gpu_mib"
    heads = {"epoch_s": "epoch [s]", "evaluation_s": "evaluation [s]", memory: "memory [MiB]"}
    for measure, head in heads.items():
        line[head] = _short(row[measure])
        for name in (*OTHERS, *ELSEWHERE) if measure != memory else ("textbook",):
            ours = None if name in ELSEWHERE else row[measure]
            line[f"{name}, {head}"] = _times(others.get(name, {}).get(measure), ours)
        if measure == "epoch_s":
            bound = others.get("roofline", {}).get("epoch_s")
            line["lower bound [s]"] = bound and f"{_short(bound)} (ours {_short(row[measure] / bound)}x)"
    return line


def _times(value: float | None, ours: float | None) -> str | None:
    """A value and, where ours is of the same run, how many times ours it is."""
    if pd.isna(value):
        return None
    return f"{_short(value)} ({_short(value / ours)}x)" if ours else _short(value)


def _short(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@figure_function
def points(table: pd.DataFrame) -> Figure:
    """Seconds per epoch, a row per backbone and a panel per alignment; a black bar is the machine's lower bound."""
    kinds, names = ordered(table["alignment"]), ordered(table["backbone"], BACKBONES)
    figure, panels = grid_of(len(kinds), height=0.35 * len(names) + 0.7)
    figure.set_figwidth(PAGE)
    for axes, kind in zip(panels, kinds, strict=True):
        part = table[table["alignment"] == kind].drop_duplicates(["backbone", "implementation"])
        for name in (*SHOWN, "roofline"):
            _marks(axes, part[part["implementation"] == name], names, name)
        axes.set(title=display_names.alignment(kind), xscale="log", xlabel="seconds per epoch (logarithmic)")
        axes.sharex(panels[0])
        axes.tick_params(axis="y", length=0)
        light_grid(axes, "x")
    panels[0].set_yticks(range(len(names)), map(display_names.backbone, names))
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    legend_below(figure, panels, columns=3)
    figure.said = f"seconds of an epoch as a multiple of RepRec's: {speedups(table) or 'nothing else was measured'}"
    return figure


def _marks(axes, rows: pd.DataFrame, names: list[str], implementation: str) -> None:
    if rows.empty:
        return
    places = [names.index(name) for name in rows["backbone"]]
    if implementation == "roofline":
        style = {"color": "black", "marker": "|", "markersize": 9, "label": "lower bound of the machine"}
    else:
        label, colour, marker = SHOWN[implementation]
        kind = "cuda" if str(rows["device"].iloc[0]).startswith("cuda") else "cpu"
        hardware = PUBLISHED[kind].get(implementation)
        label += f", other machine: {hardware}" * bool(hardware)
        style = {"color": colour, "marker": marker, "markersize": 5, "markerfacecolor": "none", "label": label}
    axes.plot(rows["epoch_s"], places, linestyle="none", **style)


# Growth


def slope(sizes, values, last: int = 3) -> float:
    """Exponent b of values = a sizes^b through the `last` largest sizes, least squares of the logarithms."""
    order = np.argsort(sizes)[-last:]
    return float(np.polyfit(np.log(np.asarray(sizes)[order]), np.log(np.asarray(values)[order]), 1)[0])


MEASURES = {
    "epoch_s": "seconds per epoch",
    "user_s": "seconds per ranked user",
    "own_mib": "peak memory beyond start [MiB]",
}


def steepest(table: pd.DataFrame) -> str:
    """In words, for the index: growth from one size to the next where time grows most, and at the last."""
    columns = ["interactions", "epoch_s", "own_mib"]
    table = table.sort_values("interactions", ignore_index=True)[columns]
    grown = (table / table.shift())[1:]
    places = dict.fromkeys([(grown["epoch_s"] / grown["interactions"]).idxmax(), grown.index[-1]])
    return "; ".join(
        "{:.3g} to {:.3g}: {:.1f} times the interactions, {:.1f} the time, {:.1f} the memory".format(
            *table.loc[place - 1 : place, "interactions"], *grown.loc[place]
        )
        for place in places
    )


@figure_function
def growth(table: pd.DataFrame, limit_mib: float | None = None) -> Figure:
    """Time and memory by the number of train interactions, on logarithmic axes, with the slope at the large end."""
    figure, panels = grid_of(len(MEASURES), height=2.4, sharey=False)
    for axes, (name, title) in zip(panels, MEASURES.items(), strict=True):
        part = table.dropna(subset=[name]).sort_values("interactions")
        axes.plot(part["interactions"], part[name], color=SHOWN["ours"][1], marker="o", markersize=3)
        if len(part) > 1:
            axes.set_title(f"{title}\nslope {slope(part['interactions'], part[name]):.2f}")
        last = part.iloc[-1]
        line = last[name] * part["interactions"] / last["interactions"]
        axes.plot(part["interactions"], line, color=GREY, linestyle=":", linewidth=1, label="proportional")
        axes.set(xscale="log", yscale="log", xlabel="train interactions")
    if limit_mib:
        panels[-1].axhline(
            limit_mib, color="black", linewidth=0.8, label=f"what a size may take: {limit_mib / 1024:g} GiB"
        )
    legend_below(figure, panels)
    if len(table) > 1:
        figure.said = f"LightGCN Base on generated graphs, interactions {steepest(table)}"
    return figure
