"""What a reader sees of a figure: panels by title or label, and what is drawn in them by its name in the legend.

What has no entry in the legend is found by the name that the drawing code gave it (matplotlib's gid).
"""

import numpy as np
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer


def panel(figure, name: str):
    """The one panel with this title or this label of an axis, or else with this text in one of them."""
    texts = {
        axes: [axes.get_title("left"), axes.get_title("center"), axes.get_xlabel(), axes.get_ylabel()]
        for axes in figure.axes
    }
    found = [axes for axes, own in texts.items() if name in own]
    found = found or [axes for axes, own in texts.items() if any(name in text for text in own)]
    assert len(found) == 1, f"{len(found)} panels are called {name}: there are {list(texts.values())}"
    return found[0]


def titles(figure) -> list[str]:
    """The titles of all panels in the order in which they are read."""
    return [axes.get_title("left") or axes.get_title("center") for axes in figure.axes]


def legend(drawing) -> list[str]:
    """The texts in the legend of a panel, or in the one of a figure."""
    found = drawing.get_legend() if hasattr(drawing, "get_legend") else next(iter(drawing.legends), None)
    return [text.get_text() for text in found.get_texts()] if found else []


def ticks(axis) -> list[str]:
    """The texts at the ticks of an axis."""
    return [label.get_text() for label in axis.get_ticklabels()]


def points(axes, name: str) -> np.ndarray:
    """Where the marks or the line of a name lie: [n, 2], from left to right, several artists of the name together."""
    found = [np.empty((0, 2))]
    for artist in named(axes, name):
        if isinstance(artist, ErrorbarContainer):
            found.append(artist.lines[0].get_xydata())
        elif isinstance(artist, PathCollection):
            found.append(np.asarray(artist.get_offsets(), float))
        elif hasattr(artist, "get_xydata"):
            found.append(artist.get_xydata())
    places = np.concatenate(found)
    return places[np.argsort(places[:, 0], kind="stable")]


def bars(axes, name: str) -> np.ndarray:
    """From where to where the bars of a name reach: [n, 2], those with the smallest place on the other axis first."""
    places = []
    for container in (artist for artist in named(axes, name) if isinstance(artist, BarContainer)):
        along = int(container.orientation == "vertical")
        for bar in container:
            start, length = bar.get_xy(), (bar.get_width(), bar.get_height())
            places.append((start[1 - along], start[along], start[along] + length[along]))
    return np.array(sorted(places)).reshape(-1, 3)[:, 1:]


def intervals(axes, name: str) -> np.ndarray:
    """From where to where the whiskers of a name reach: [n, 2], in the order of `bars`."""
    lines = []
    for artist in named(axes, name):
        if isinstance(artist, BarContainer):
            artist = artist.errorbar
        if isinstance(artist, ErrorbarContainer):
            lines += artist.lines[2]
        elif isinstance(artist, LineCollection):
            lines.append(artist)
    ends = []
    for segment in (np.asarray(segment, float) for line in lines for segment in line.get_segments()):
        upright = int(segment[0, 0] == segment[1, 0])
        ends.append((segment[0, 1 - upright], *sorted(segment[:, upright])))
    return np.array(sorted(ends)).reshape(-1, 3)[:, 1:]


def band(axes, name: str) -> np.ndarray:
    """The lower and the upper end of a band at each x where it has one: [n, 3]."""
    corners = [path.vertices for artist in named(axes, name) for path in artist.get_paths()]
    corners = np.concatenate([np.empty((0, 2)), *corners])
    rows = [(x, *corners[corners[:, 0] == x, 1]) for x in np.unique(corners[:, 0])]
    return np.array([(x, min(values), max(values)) for x, *values in rows]).reshape(-1, 3)


def colour(axes, name: str):
    """The colour of a name, as matplotlib writes it."""
    artist = named(axes, name)[0]
    if isinstance(artist, ErrorbarContainer):
        artist = artist.lines[0]
    if isinstance(artist, BarContainer):
        artist = artist[0]
    return artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor()


def named(axes, name: str) -> list:
    """The artists that bear a name: as their gid, or as their label up to a colon; empty where nothing does."""
    return [artist for artist in (*axes.containers, *axes.lines, *axes.collections) if name in _names(artist)]


def _names(artist) -> tuple:
    gid = artist[0].get_gid() if isinstance(artist, BarContainer) else getattr(artist, "get_gid", str)()
    return str(artist.get_label()).split(":")[0], gid
