"""What all figures share: the theme, colours, page-wide grids of panels, legends and bars."""

import contextlib
import functools
import io

import matplotlib.figure
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb

from lib.core.names import ALIGNMENTS, BACKBONES

# Okabe and Ito's palette, which the common kinds of colour blindness keep apart; blue, orange, green as in the report
COLOURS = {"base": "#0072B2", "contrastive": "#D55E00", "generative": "#009E73"}
COLOURS |= {"base@contrastive": "#56B4E9", "base@generative": "#9AD0F5", "kar": "#CC79A7"}
GREY = "#666666"
PALE = "#DDDDDD"  # grids
BAND = {"alpha": 0.2, "linewidth": 0}  # intervals and ranges around a line
ON_BARS = {"ecolor": "black", "elinewidth": 0.8, "capsize": 1.5}  # intervals
PAGE = 7.2  # inches, the text width of a two-column paper
THEME = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so files are the same everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.4,
    # TrueType, which keeps text in a PDF as text; some publishers refuse the default, Type 3
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}


class Figure(matplotlib.figure.Figure):
    """A figure that keeps its theme when it is saved, and that notebooks show without pyplot."""

    def savefig(self, *arguments, **options) -> None:
        """matplotlib's savefig in the theme, since ticks and fonts are settled only now."""
        with theme():
            super().savefig(*arguments, **options)

    def _repr_png_(self) -> bytes:
        # IPython calls this to show a figure; without pyplot nothing else would
        buffer = io.BytesIO()
        self.savefig(buffer, dpi=100)
        return buffer.getvalue()


@contextlib.contextmanager
def theme():
    """The look of every figure, on top of matplotlib's own defaults; the settings from before return afterwards."""
    with matplotlib.style.context(THEME, after_reset=True):
        yield


def figure_function(draw):
    """Draw in the theme and fix the layout, which would otherwise move a little with each rendering and resolution."""

    @functools.wraps(draw)
    def drawn(*arguments, **options) -> Figure:
        with theme():
            empty = isinstance(arguments[0], pd.DataFrame) and arguments[0].empty
            figure = nothing_drawn() if empty else draw(*arguments, **options)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        return figure

    return drawn


def nothing_drawn() -> Figure:
    """A figure of one sentence, where the table behind it has no row: a grid of base models compares nothing."""
    figure = Figure(figsize=(PAGE, 0.6))
    figure.text(0.5, 0.5, "nothing to compare: the grid has base models only", ha="center", va="center", color=GREY)
    return figure


# Order and colours


def ordered(names, known=ALIGNMENTS) -> list[str]:
    """Distinct names in the order of `known`, then the others by name."""
    names = set(names)
    return [name for name in known if name in names] + sorted(names - set(known))


def colour_of(name: str) -> str:
    """The colour of an alignment; one with changed settings, 'generative+weight=1', is a lighter shade of its own."""
    plain, changed, _ = name.partition("+")
    colour = COLOURS.get(plain, GREY)
    return to_hex([(part + 1) / 2 for part in to_rgb(colour)]) if changed else colour


# Panels


def grid_of(n: int, height: float, columns: int = 3, sharey: bool = True):
    """A page-wide figure and its n axes as a flat list; `height` of a row is in inches."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(min(PAGE, 3.6 * columns), height * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=sharey, squeeze=False).ravel()
    for axes in panels[n:]:
        axes.remove()
    return figure, list(panels[:n])


def light_grid(axes, axis: str = "y") -> None:
    """Pale lines at the ticks of an axis, 'x', 'y' or 'both'."""
    axes.grid(axis=axis, linewidth=0.4, color=PALE)


def legend_below(figure, panels, columns: int | None = None) -> None:
    """One legend for all panels under the figure, by default in one line; equal labels stand once."""
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns or len(entries))


def whiskers(rows: pd.DataFrame, value: str = "value") -> list[pd.Series]:
    """What matplotlib draws as error bars: how far ci_low and ci_high lie from the value."""
    return [rows[value] - rows["ci_low"], rows["ci_high"] - rows[value]]


def grouped_bars(axes, table: pd.DataFrame) -> None:
    """Bars of `value` with whiskers ci_low..ci_high, grouped by backbone, one colour per alignment."""
    backbones, alignments = ordered(table["backbone"], BACKBONES), ordered(table["alignment"])
    width = 0.8 / len(alignments)
    for shift, alignment in enumerate(alignments):
        rows = table[table["alignment"] == alignment].set_index("backbone").reindex(backbones)
        place = np.arange(len(backbones)) + (shift - (len(alignments) - 1) / 2) * width
        style = {"color": colour_of(alignment), "label": alignment, "error_kw": ON_BARS}
        axes.bar(place, rows["value"], width * 0.92, yerr=whiskers(rows), **style)
    axes.set_xticks(range(len(backbones)), backbones, weight="bold")
    axes.tick_params(axis="x", length=0)
    light_grid(axes)
