"""One pure function per result table: a tidy frame first, then a layout of it for people, as Markdown or LaTeX.

Layout cells are text with two marks, **bold** and \\*, which both writers understand.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from lib.experiments import reads_text
from lib.files import ROOT
from lib.plots import ALIGNMENTS, BACKBONES, signed
from lib.statistics import compare, holm, paired_tests, summary

MODEL = ["dataset", "encoder", "backbone", "alignment"]
LEVEL = 0.05
ALIGNMENT_ORDER = ["base", "base@contrastive", "base@generative", "contrastive", "generative"]
ORDER = [*BACKBONES, *ALIGNMENT_ORDER, "ego", "final", "first3000", "all", 100, 20]  # the report's setting first


def published(name: str, folder: Path = ROOT / "params" / "published") -> pd.DataFrame:
    """Published numbers, e.g. 'rlmrec_table1' (columns dataset, backbone, alignment, metric, k, value)."""
    return pd.read_csv(Path(folder) / f"{name}.csv")


# Ranking quality


def ranking(runs, published: pd.DataFrame, third_party: pd.DataFrame | None = None) -> pd.DataFrame:
    """Test metrics of runs beside the paper's cells, tidy: one row per run, metric and k.

    Columns dataset, encoder, backbone, alignment, seed, metric, k, value, published (NaN where the paper has no such
    cell), comparable (same data, protocol and text vectors as the paper), third_party (a run of others, likewise).
    """
    rows = [
        (*_model(run), run.settings.seed, *metric_and_k(name), value, follows_paper(run.settings))
        for run in runs
        for name, value in run.metrics["test"].items()
    ]
    table = pd.DataFrame(rows, columns=[*MODEL, "seed", "metric", "k", "value", "comparable"])
    cell = ["dataset", "backbone", "alignment", "metric", "k"]
    table = table.merge(published.rename(columns={"value": "published"}), on=cell, how="left")
    other = pd.DataFrame(columns=[*cell, "value"]) if third_party is None else third_party[[*cell, "value"]]
    table = table.merge(other.rename(columns={"value": "third_party"}), on=cell, how="left")
    table["comparable"] &= table["published"].notna()
    table = table[[*MODEL, "seed", "metric", "k", "value", "published", "comparable", "third_party"]]
    return table.sort_values([*MODEL, "seed", "metric", "k"], ignore_index=True)


def _model(run) -> tuple:
    return tuple(getattr(run.settings, name) for name in MODEL)


def metric_and_k(name: str) -> tuple[str, int]:
    """'recall@20' as its two parts."""
    metric, k = name.split("@")
    return metric, int(k)


def follows_paper(settings) -> bool:
    """The paper's protocol and its text vectors, text-embedding-ada-002; base models read no text."""
    return settings.scale == "paper" and (settings.alignment == "base" or settings.encoder == "published")


def user_means(runs) -> dict[tuple, pd.DataFrame]:
    """Per-user metrics of each model, averaged over its seeds: {(dataset, encoder, backbone, alignment): frame}."""
    models = {}
    for run in runs:
        models.setdefault(_model(run), []).append(run.per_user)
    return {model: pd.concat(frames).groupby("user", as_index=False).mean() for model, frames in models.items()}


def ranking_summary(runs, rng: np.random.Generator) -> pd.DataFrame:
    """Mean of each metric over users with its 95% interval: dataset, ..., alignment, metric, mean, ci_low, ci_high."""
    return _stack({model: summary(frame, rng) for model, frame in user_means(runs).items()})


def significance(runs, rng: np.random.Generator) -> pd.DataFrame:
    """Paired comparison of every aligned model with a base of its backbone: model, against, then `compare`'s columns.

    `against` is base, and also base@<alignment>, base with the backbone settings of the aligned model, where it was
    run: the first is the paper's comparison, the second one of alignment alone. Holm's correction runs over all
    comparisons of a dataset with the same kind of base, since they stand in one table.
    """
    means = user_means(runs)
    bases = {(dataset, backbone, kind): frame for (dataset, _, backbone, kind), frame in means.items()}
    tables = []
    for matched in (False, True):
        comparisons = {}
        for model, frame in means.items():
            dataset, _, backbone, kind = model
            against = f"base@{kind}" if matched else "base"
            if reads_text(kind) and (dataset, backbone, against) in bases:
                compared = compare(bases[dataset, backbone, against], frame, rng)
                comparisons[model] = compared.assign(against=against)
        table = _stack(comparisons)
        if len(table):
            table["p_holm"] = table.groupby("dataset")["p"].transform(holm)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else _stack({})


def _stack(frames: dict[tuple, pd.DataFrame]) -> pd.DataFrame:
    """Frames under each other, their model in the first columns."""
    if not frames:
        return pd.DataFrame(columns=[*MODEL, "metric", "p_holm"])
    return pd.concat(frames, names=MODEL).reset_index(level=MODEL).reset_index(drop=True)


def best(runs) -> set[tuple]:
    """(dataset, encoder, backbone, alignment, metric) of each backbone's best model, and of those not told apart.

    A model is told apart from the best by the paired t test over users, Holm-corrected over the backbone's models.
    """
    means, found = user_means(runs), set()
    for dataset, backbone in dict.fromkeys((model[0], model[2]) for model in means):
        rivals = {model: frame for model, frame in means.items() if (model[0], model[2]) == (dataset, backbone)}
        for metric in next(iter(rivals.values())).columns.drop("user"):
            values = pd.DataFrame({model: frame.set_index("user")[metric] for model, frame in rivals.items()})
            top = values.mean().idxmax()
            others = [model for model in rivals if model != top]
            p = holm([paired_tests(values[top], values[model])[0] for model in others])
            found |= {(*model, metric) for model, own in zip(others, p, strict=True) if own >= LEVEL} | {(*top, metric)}
    return found


def ranking_layout(
    table: pd.DataFrame,
    tests: pd.DataFrame | None = None,
    bold: set[tuple] = frozenset(),
    remarks: dict[tuple, str] | None = None,
) -> pd.DataFrame:
    """The ranking table of a paper: rows backbone x alignment, columns R@5 ... N@20, from the frame of `ranking`.

    Our value is the mean over seeds (± standard deviation if there are several), bold where `bold` (of `best`) has it,
    with \\* where it differs from base (Holm-corrected, from `significance`). The paper's value follows in a row of its
    own with the relative difference where the two are comparable, and the single run of others. `remarks` on a model
    (dataset, encoder, backbone, alignment) stand beside its row.
    """
    ours = table.groupby([*MODEL, "metric", "k"], sort=False)["value"].agg(["mean", "std"])
    paper = table.groupby([*MODEL, "metric", "k"], sort=False)[["published", "comparable", "third_party"]].first()
    cells = ours.join(paper).reset_index()
    cells["column"] = [f"{metric[0].upper()}@{k}" for metric, k in zip(cells["metric"], cells["k"], strict=True)]
    names = [(*row[:4], f"{row[4]}@{row[5]}") for row in cells.itertuples(index=False)]
    several = cells.groupby(["dataset", "backbone", "column"])["mean"].transform("size") > 1
    cells["best"] = several & np.array([name in bold for name in names])
    cells["star"] = [name in _stars(tests) for name in names]
    remarks = remarks or {}
    rows = [row for model, part in cells.groupby(MODEL) for row in _ranking_rows(model, part, remarks.get(model))]
    columns = by_k(cells["column"].unique())
    return _arranged(pd.DataFrame(rows), [*columns])


def _stars(tests: pd.DataFrame | None) -> set[tuple]:
    if tests is None or not len(tests):
        return set()
    found = tests[(tests["p_holm"] < LEVEL) & (tests["against"] == "base")]
    return set(found[[*MODEL, "metric"]].itertuples(index=False, name=None))


def by_k(columns) -> list[str]:
    """R@5, R@10, R@20, N@5, N@10, N@20."""
    return sorted(columns, key=lambda name: (name[0] != "R", name[0], int(name.split("@")[1])))


def _ranking_rows(model: tuple, cells: pd.DataFrame, remark: str | None) -> list[dict]:
    """Our row of a model, then where they exist the paper's row, the difference, and the run of others."""
    cells = cells.set_index("column")
    rows = [(f"ours, {remark}" if remark else "ours", {name: _ours(cell) for name, cell in cells.iterrows()})]
    known = cells[cells["published"].notna()]
    if len(known):
        source = "paper" if known["comparable"].all() else "paper, other setting"
        rows.append((source, {name: f"{value:.4f}" for name, value in known["published"].items()}))
    if known["comparable"].any():
        difference = known["mean"] / known["published"] - 1
        rows.append(("difference", {name: signed(f"{value:+.1%}") for name, value in difference.items()}))
    others = cells[cells["third_party"].notna()]
    if len(others):
        rows.append(("third party, one seed", {name: f"{value:.4f}" for name, value in others["third_party"].items()}))
    return [dict(zip(MODEL, model, strict=True)) | {"source": source} | values for source, values in rows]


def _ours(cell: pd.Series) -> str:
    text = f"{cell['mean']:.4f}" + (f" ± {cell['std']:.4f}" if pd.notna(cell["std"]) else "")
    return (f"**{text}**" if cell["best"] else text) + (r"\*" if cell["star"] else "")


def _arranged(rows: pd.DataFrame, columns: list[str], extra: tuple = ()) -> pd.DataFrame:
    """Rows in the order of ORDER; dataset, encoder and source are shown only where they tell rows apart."""
    order = [name for name in ("dataset", *extra, "backbone", "alignment", "encoder") if name in rows]
    rank = {name: place for place, name in enumerate(ORDER)}
    # stable, so that the paper's row stays below ours
    rows = rows.sort_values(order, kind="stable", key=lambda names: [(rank.get(x, len(rank)), str(x)) for x in names])
    quiet = {name for name in ("dataset", "encoder", "source") if len(set(rows[name]) - {"none"}) <= 1}
    leading = [name for name in ("dataset", *extra, "backbone", "alignment", "encoder", "source") if name in rows]
    return rows[[name for name in leading if name not in quiet] + columns].fillna("").reset_index(drop=True)


# Semantic overlap


def overlap(measured, encoder: str) -> pd.DataFrame:
    """Neighbour overlap with the text of an encoder, tidy, one run per model.

    measured: (run settings, frame of `semantics.overlap_table`) pairs. Columns dataset, encoder, backbone, alignment,
    vectors, items, neighbours, mean_jaccard, ci_low, ci_high, chance, gain_pct (over base, in percent).
    """
    frames = [
        frame.assign(dataset=run.dataset, encoder=encoder, backbone=run.backbone, alignment=run.alignment)
        for run, frame in measured
    ]
    key = [*MODEL, "vectors", "items", "neighbours"]
    table = pd.concat(frames)[[*key, "mean_jaccard", "ci_low", "ci_high", "chance"]].sort_values(key, ignore_index=True)
    cell = [name for name in key if name != "alignment"]
    base = table.loc[table["alignment"] == "base", [*cell, "mean_jaccard"]].rename(columns={"mean_jaccard": "base"})
    table = table.merge(base, on=cell, how="left", validate="many_to_one")
    table["gain_pct"] = (100 * (table["mean_jaccard"] / table.pop("base") - 1)).where(table["alignment"] != "base")
    return table


def overlap_layout(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The report's Table 1 for every setting measured: one row per backbone, one column per alignment.

    Cells hold the mean overlap, its 95% interval and the gain over base; the report's row stands below ours where the
    setting is the report's: ego vectors, first 3000 items, K = 100.
    """
    table = table.assign(source="ours", text=[_overlap_cell(row) for row in table.itertuples()])
    report = published.merge(table[["dataset", "encoder", "backbone"]].drop_duplicates())
    base = report[report["alignment"] == "base"].set_index(["dataset", "encoder", "backbone"])["mean_jaccard"]
    gains = report["mean_jaccard"] / base.reindex(pd.MultiIndex.from_frame(report[base.index.names])).values - 1
    report["text"] = [
        f"{value:.3f}{_gain(100 * gain)}" for value, gain in zip(report["mean_jaccard"], gains, strict=True)
    ]
    report = report.assign(source="report", vectors="ego", items="first3000", neighbours=100)
    cells = pd.concat([table, report])
    cells["K"] = cells["neighbours"]
    key = [*MODEL[:2], "vectors", "items", "K", "backbone", "source"]
    chance = table.rename(columns={"neighbours": "K"}).groupby(["dataset", "items", "K"])["chance"].first()
    rows = cells.pivot(index=key, columns="alignment", values="text").reset_index()
    rows["chance"] = [
        f"{chance[key]:.3f}" for key in rows[["dataset", "items", "K"]].itertuples(index=False, name=None)
    ]
    columns = [name for name in ALIGNMENTS if name in rows]
    return _arranged(rows, [*columns, "chance"], ("vectors", "items", "K"))


def _overlap_cell(row) -> str:
    return f"{row.mean_jaccard:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]{_gain(row.gain_pct)}"


def _gain(percent: float) -> str:
    return "" if pd.isna(percent) or percent == 0 else signed(f" {percent:+.1f}%")


# Writers


def to_markdown(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; columns of numbers are aligned to the right."""
    cells = _texts(frame)
    lines = [frame.columns, ["---:" if right else "---" for right in _numeric(cells)], *cells.to_numpy()]
    return "".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def to_latex(frame: pd.DataFrame) -> str:
    """A frame as a LaTeX tabular with booktabs rules; columns of numbers are aligned to the right."""
    cells = _texts(frame)
    columns = "".join("r" if right else "l" for right in _numeric(cells))
    lines = [" & ".join(map(_latex, line)) + r" \\" for line in [frame.columns, *cells.to_numpy()]]
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*parts, r"\end{tabular}"]) + "\n"


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).map(_text)


def _text(value) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())


def _numeric(cells: pd.DataFrame) -> list[bool]:
    """Which columns hold a number, bold or not, in every cell that is not empty."""
    return [all(re.match(r"\**[-+−]?\.?\d", cell) for cell in cells[name] if cell) for name in cells]


LATEX = str.maketrans(
    {character: "\\" + character for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"±": r"$\pm$", "−": "$-$", "<": "$<$", ">": "$>$"}
)


def _latex(text: str) -> str:
    """Escape a cell and turn the two marks into LaTeX."""
    parts, bold = [], False
    for part in re.split(r"(\\\*|\*\*)", str(text)):
        if part == "**":
            parts.append("}" if bold else r"\textbf{")
            bold = not bold
        else:
            parts.append("$^{*}$" if part == r"\*" else part.translate(LATEX))
    return "".join(parts)
