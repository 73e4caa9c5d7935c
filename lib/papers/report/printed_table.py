"""The report's Table 1 from its own printed cells: what follows from them and what does not.

Its statements are in docs/methods/rlmrec.md 10. `cells` has columns dataset, backbone, alignment, mean_jaccard, as in
params/published/report_table1_overlap.csv.
"""

import numpy as np
import pandas as pd

PRINTED_GAINS = {  # percent, rows by dataset and backbone
    "contrastive": (27.8, 15.3, 41.8, 33.3, 14.3, 48.3, 50.7, 31.1, 28.2, 63.8, 13.2, 100.0, 69.8),
    "generative": (7.4, 8.5, 12.7, 26.2, 10.7, 10.0, 49.3, 16.2, 7.7, 29.8, 1.9, 12.8, 7.5),
}
PRINTED_AVERAGES = {"base": 0.057, "contrastive": 0.080, "generative": 0.066}
PRINTED_AVERAGE_GAINS = {"contrastive": 39.9, "generative": 15.5}  # percent
PRINTED_SETTINGS = 15
PRINTED_EXTREMES = {"contrastive": ("yelp", "lightgcn"), "generative": ("steam", "lightgcn")}  # largest gains
HALF_DIGIT = 0.0005  # a cell of three decimals stands for any value so far from it


def row_gains(cells: pd.DataFrame) -> pd.DataFrame:
    """Gains in percent over base from printed cells (dataset, backbone, alignment, mean_jaccard): rows x alignments."""
    wide = _base_first(cells)
    return 100 * (wide.drop(columns="base").div(wide["base"], axis=0) - 1)


def _base_first(cells: pd.DataFrame) -> pd.DataFrame:
    wide = cells.pivot(index=["dataset", "backbone"], columns="alignment", values="mean_jaccard")
    return wide[["base", *wide.columns.drop("base")]]


def _readings(overlap: np.ndarray) -> dict[str, np.ndarray]:
    """What "average gain" may mean, in percent: overlaps [..., rows, base and alignments] -> [..., alignments] each."""
    ratios, means = overlap / overlap[..., :1], overlap.mean(-2)
    rounded = means.round(3)
    readings = {"mean of gains": ratios.mean(-2), "median of gains": np.median(ratios, -2)}
    readings |= {"ratio of means": means / means[..., :1], "ratio of rounded means": rounded / rounded[..., :1]}
    return {name: 100 * (values[..., 1:] - 1) for name, values in readings.items()}


def averages(cells: pd.DataFrame) -> pd.DataFrame:
    """Each reading of "average gain" over all rows and over those of each dataset and backbone, in percent.

    Columns by (all, dataset, backbone), rows (whose), count, alignment, and one per reading.
    """
    tables = []
    for by in ("all", "dataset", "backbone"):
        for name, part in cells.groupby(np.full(len(cells), "all") if by == "all" else by):
            wide = _base_first(part)
            table = pd.DataFrame(_readings(wide.to_numpy()), index=wide.columns[1:]).reset_index()
            tables.append(table.assign(by=by, rows=name, count=len(wide)))
    table = pd.concat(tables, ignore_index=True)
    return table[["by", "rows", "count", *list(table)[:-3]]]


def readings(cells: pd.DataFrame, rng: np.random.Generator, draws: int = 10_000) -> pd.DataFrame:
    """Which readings of "average gain" the printed one can be, given that cells are rounded: one row per reading.

    Columns alignment, reading, value (from the cells as printed), low, high, printed (percent), possible. The 95% range
    low..high comes from cells drawn uniformly from what rounds to the printed ones; possible is what lies inside.
    """
    wide = _base_first(cells)
    drawn = _readings(wide.to_numpy() + rng.uniform(-HALF_DIGIT, HALF_DIGIT, (draws, *wide.shape)))
    tables = []
    for reading, value in _readings(wide.to_numpy()).items():
        known = reading == "ratio of rounded means"  # the report prints them
        low, high = (value, value) if known else np.quantile(drawn[reading], (0.025, 0.975), axis=0)
        columns = {"alignment": wide.columns[1:], "reading": reading, "value": value, "low": low, "high": high}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables).sort_values("alignment", kind="stable", ignore_index=True)
    table["printed"] = table["alignment"].map(PRINTED_AVERAGE_GAINS)
    digit = 0.05  # the printed average is rounded too
    return table.assign(possible=table["printed"].between(table["low"] - digit, table["high"] + digit))


def statements(cells: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """What the report says of its Table 1, and whether its own printed cells bear it out.

    Columns statement, printed, recomputed, holds.
    """
    wide, gains = _base_first(cells), row_gains(cells)
    every = {(dataset, backbone) for dataset in set(cells["dataset"]) for backbone in set(cells["backbone"])}
    missing = ", ".join(f"{backbone} on {dataset}" for dataset, backbone in sorted(every - set(gains.index)))
    found = f"{len(gains)} rows; no {missing}"
    rows = [("number of settings", str(PRINTED_SETTINGS), found, len(gains) == PRINTED_SETTINGS)]
    for name, printed in PRINTED_AVERAGES.items():
        mean = wide[name].mean()
        rows.append((f"mean overlap, {name}", f"{printed:.3f}", f"{mean:.5f}", round(mean, 3) == printed))
    average = readings(cells, rng).query("reading == 'mean of gains'").set_index("alignment")
    for name in PRINTED_GAINS:
        rows += _statements_of_gains(name, gains[name], average.loc[name])
    lead = wide["contrastive"] - wide["generative"]
    found = f"{(lead > 0).sum()} of {len(lead)} rows, least lead {lead.min():.3f} ({' '.join(lead.idxmin())})"
    rows.append(("contrastive above generative", "all rows", found, bool((lead > 0).all())))
    return pd.DataFrame(rows, columns=["statement", "printed", "recomputed", "holds"])


def _statements_of_gains(name: str, gains: pd.Series, average: pd.Series) -> list[tuple]:
    """The statements on the gains of one alignment; `average` is the row of `readings` for their mean."""
    same, above = sum(gains.round(1).to_numpy() == np.array(PRINTED_GAINS[name])), sum(gains > 0)
    largest = f"{' '.join(gains.idxmax())} {gains.max():+.1f}%"
    extreme = f"{' '.join(PRINTED_EXTREMES[name])} {max(PRINTED_GAINS[name]):+.1f}%"
    mean = f"{average['value']:+.1f}%, by rounding {average['low']:+.1f} to {average['high']:+.1f}%"
    return [
        (f"gain of each row, {name}", f"{len(gains)} values", f"{same} follow from their cells", same == len(gains)),
        (f"{name} above base", "all rows", f"{above} of {len(gains)} rows", above == len(gains)),
        (f"largest gain, {name}", extreme, largest, largest == extreme),
        (f"average of the gains, {name}", f"{average['printed']:+.1f}%", mean, bool(average["possible"])),
    ]
