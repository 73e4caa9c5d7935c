"""One pure function per figure: frames in, a matplotlib Figure out; no pyplot and no change to global settings.

Colours are fixed: one per alignment, the same in every figure.
"""

from lib.plots.dashboard import dashboard
from lib.plots.data import degree_distribution, profile_lengths
from lib.plots.frame import ALIGNMENTS, BACKBONES, PAGE, Figure, signed, theme
from lib.plots.overlap import distant_pairs, overlap_bars, overlap_changes, overlap_gains
from lib.plots.ranking import by_group, differences, learning_curves, ranking_bars, references, time_and_quality
from lib.plots.studies import sensitivity_lines, study_gains, study_lines

__all__ = [
    "ALIGNMENTS", "BACKBONES", "PAGE", "Figure", "by_group", "dashboard", "degree_distribution", "differences",
    "distant_pairs", "learning_curves", "overlap_bars", "overlap_changes", "overlap_gains", "profile_lengths",
    "ranking_bars", "references", "sensitivity_lines", "signed", "study_gains", "study_lines", "theme",
    "time_and_quality",
]  # fmt: skip
