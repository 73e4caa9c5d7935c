"""What completions of a language model are worth, by the very rewards of recorded candidates (rewards.py)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lib.papers.pte.profiling.contract import ProfileLines, serialised
from lib.papers.pte.selection.rewards import combined, parts, well_formed
from lib.papers.pte.selection.settings import RewardSettings
from lib.papers.pte.selection.sides import Side


class CompletionRewards:
    """Rewards of fresh profiles of a side's rewarded entities, in the form in which TRL asks for them.

    references [n_partners, d] are the profiles chosen on the other side, which stay as they are; `parser` reads the
    side's replies; titles [n_partners] are names of items where these are the probes, else None; encode(texts) gives
    vectors [n, d].
    """

    def __init__(
        self,
        side: Side,
        references: np.ndarray,
        parser: ProfileLines,
        titles: np.ndarray | None,
        encode: Callable[[list[str]], np.ndarray],
        settings: RewardSettings,
    ):
        self.side, self.references, self.parser, self.titles = side, references, parser, titles
        self.encode, self.settings = encode, settings

    def parts(self, completions: list[str], rows: np.ndarray) -> dict[str, np.ndarray]:
        """r_col, r_dis and r_fmt, each [n], of what goes on from the opening of an answer about rewarded entity `rows`.

        An unparsable completion has 0 in each, the least that any text can have.
        """
        texts = np.array([self._read(one) for one in completions], dtype=object)[:, None]
        parsed, own = texts != "", self.side.of(rows)
        fine = well_formed(texts, parsed, self.settings.words, own.probes.hidden, self.titles)
        vectors, first = self.encode(texts[:, 0].tolist())[:, None], own.rewarded
        # rewards read the vectors alone; the rest is cut to one candidate each, as the shapes must agree
        rest = {name: getattr(first, name)[:, :1] for name in ("measures", "template", "temperature")}
        fresh = replace(own, rewarded=replace(first, vectors=vectors, **rest), well_formed=fine)
        found = parts(fresh, self.references, self.settings)
        return {name: np.where(parsed, value, 0.0)[:, 0] for name, value in found.items()}

    def __call__(self, completions: list[str], row: list[int], log_metric: Callable | None = None, **_) -> list[float]:
        """R of each completion; `row` is the dataset's column. Tells `log_metric` the means of the parts."""
        found = self.parts(completions, np.array(row))
        if log_metric:
            for name, value in found.items():
                if not np.isnan(value).all():
                    log_metric(name, float(np.nanmean(value)))
        return combined({name: value[:, None] for name, value in found.items()}, self.settings)[:, 0].tolist()

    def _read(self, completion: str) -> str:
        """The text of a completed answer that is embedded, '' when it does not parse."""
        reply, _ = self.parser.completed(self.parser.lines[0], completion)
        try:
            return serialised(self.parser.parse(reply), self.parser.side)
        except ValueError:
            return ""
