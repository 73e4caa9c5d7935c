"""What all figures share: the theme, titles, colours and markers, page-wide grids of panels, legends."""

import contextlib
import functools
import io
import textwrap
from pathlib import Path

import matplotlib.figure
import matplotlib.style
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib.core.names import ALIGNMENTS
from lib.results import display_names

# blue, orange, green as in the report, dark, middling and light: apart for all kinds of colour vision, and in print
COLOURS = {"base": "#004C7F", "contrastive": "#C85400", "generative": "#4CC39A"}
COLOURS |= {"base@contrastive": "#56B4E9", "base@generative": "#9AD0F5", "kar": "#CC79A7"}
MARKERS = {"base": "o", "contrastive": "^", "generative": "s", "base@contrastive": "P", "base@generative": "X"}
MARKERS |= {"kar": "D"}
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
COLOURS_OF_A_FILE = 128  # of a PNG
SHOWN = 100  # pixels an inch takes in a notebook, which has twice as many for sharp screens and for print


class Figure(matplotlib.figure.Figure):
    """A figure that keeps its theme when it is saved, and that notebooks show without pyplot.

    said: what came out, one clause that `figure_function` puts into the title.
    """

    said = ""

    def savefig(self, file, metadata: dict | None = None, **options) -> None:
        """matplotlib's savefig in the theme, since ticks and fonts are settled only now; PNGs with a palette."""
        with theme():
            if isinstance(file, str | Path) and Path(file).suffix != ".png" or options.get("format", "png") != "png":
                super().savefig(file, metadata=metadata, **options)
                return
            buffer = io.BytesIO()
            super().savefig(buffer, **options)
        _save_few_colours(buffer, file, metadata or {})

    def _repr_png_(self) -> tuple[bytes, dict]:
        # IPython calls this to show a figure; without pyplot nothing else would
        buffer = io.BytesIO()
        self.savefig(buffer)
        width, height = self.get_size_inches()
        return buffer.getvalue(), {"width": round(SHOWN * width), "height": round(SHOWN * height)}


def _save_few_colours(drawn: io.BytesIO, file, metadata: dict) -> None:
    """A PNG with a palette instead of three bytes a pixel: a third of the size, and no difference to be seen."""
    texts = PngInfo()
    for name, text in metadata.items():
        if text is not None:
            texts.add_text(name, text)
    image = Image.open(drawn)
    dpi = image.info.get("dpi")
    image.convert("RGB").quantize(COLOURS_OF_A_FILE).save(file, format="png", optimize=True, pnginfo=texts, dpi=dpi)


@contextlib.contextmanager
def theme():
    """The look of every figure, on top of matplotlib's own defaults; the settings from before return afterwards."""
    with matplotlib.style.context(THEME, after_reset=True):
        yield


def figure_function(draw):
    """Draw in the theme, put place and finding into the title, and fix the layout, which would otherwise move a little.

    The drawn function also takes `dataset` and `backbone`, for frames that do not have these columns.
    """

    @functools.wraps(draw)
    def drawn(first, *arguments, dataset: str = "", backbone: str = "", **options) -> Figure:
        with theme():
            empty = isinstance(first, pd.DataFrame) and first.empty
            figure = nothing_drawn() if empty else draw(first, *arguments, **options)
            _headline(figure, place(first, dataset, backbone))
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        return figure

    return drawn


def place(table, dataset: str = "", backbone: str = "") -> str:
    """'MovieLens-100K, LightGCN': what is given, or else what the columns of a frame agree on."""
    found = []
    for name, given in (("dataset", dataset), ("backbone", backbone)):
        column = table[name] if isinstance(table, pd.DataFrame) and name in table else []
        known = [given] if given else list(dict.fromkeys(column))
        found += [display_names.NAMED[name](value) for value in known] if len(known) == 1 else []
    return ", ".join(found)


def _headline(figure: Figure, where: str) -> None:
    """Place and finding above everything, on as many lines as they need."""
    text = ": ".join(filter(None, (where, figure.said)))
    if text:
        lines = textwrap.wrap(text[0].upper() + text[1:], int(14.5 * figure.get_figwidth()))
        figure.suptitle("\n".join(lines), x=0.008, ha="left", weight="bold", fontsize=8)


def nothing_drawn() -> Figure:
    """A figure of one sentence, where the table behind it has no row: a grid of base models compares nothing."""
    figure = Figure(figsize=(PAGE, 0.6))
    figure.text(0.5, 0.5, "nothing to compare: the grid has base models only", ha="center", va="center", color=GREY)
    return figure


# Order, colours and markers


def ordered(names, known=ALIGNMENTS) -> list[str]:
    """Distinct names in the order of `known`, then the others by name."""
    names = set(names)
    return [name for name in known if name in names] + sorted(names - set(known))


def colour_of(name: str) -> str:
    """The colour of an alignment; one with changed settings, 'generative+weight=1', is a lighter shade of its own."""
    plain, changed, _ = name.partition("+")
    colour = COLOURS.get(plain, GREY)
    return to_hex([(part + 1) / 2 for part in to_rgb(colour)]) if changed else colour


def marker_of(name: str) -> str:
    """The marker of an alignment, which tells it apart where colours do not."""
    return MARKERS.get(name.partition("+")[0], "v")


def style_of(name: str) -> dict:
    """Colour, marker and name in the legend of an alignment, for a hollow mark that hides no other."""
    style = {"color": colour_of(name), "marker": marker_of(name), "label": display_names.alignment(name)}
    return style | {"markersize": 4.5, "markerfacecolor": "white", "markeredgewidth": 1.2}


def series(names) -> list[tuple[str, dict]]:
    """Names that are no alignments, each with colour, marker and itself as label, in their order."""
    looks = zip(dict.fromkeys(names), COLOURS.values(), MARKERS.values(), strict=False)
    return [(name, {"color": colour, "marker": marker, "label": name}) for name, colour, marker in looks]


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
