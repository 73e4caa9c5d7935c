"""A profile writer that needs no model: it composes profiles of the words in a prompt.

It never stands behind a number in a table.
"""

import re
from collections import Counter

import numpy as np

from lib.language.llm import language_models

WORD = re.compile(r"[a-z]{3,}")


class MockWriter:
    """Answers each request by its seed with the commonest words of its facts; interrupts itself after `limit` answers.

    `broken` of a hundred replies are unusable at the first try. `asked` are the requests that came.
    """

    settings = language_models.load("smollm2")

    def __init__(self, limit=10**9, broken=0):
        self.asked, self.limit, self.broken = [], limit, broken

    def write(self, requests, parser):
        for request in requests:
            if len(self.asked) == self.limit:
                raise KeyboardInterrupt
            self.asked.append(request)
            rng = np.random.default_rng([request.seed, int(request.key[:8], 16)])
            try:
                reply = "no idea" if rng.integers(100) < self.broken else self.reply(request, parser, rng)
                yield request.answered(parser.parse(reply), "ok")
            except ValueError:
                yield request.unanswered()

    def reply(self, request, parser, rng) -> str:
        """Labelled lines: words in lists, dropped now and then at a high temperature."""
        facts = request.user.rpartition("\n\n")[0]
        told = WORD.findall(" ".join(map("".join, re.findall(r"(?m)\(([^)]*)\)|so far: (.*)|^- ([a-z].*)$", facts))))
        common = [word for word, _ in sorted(Counter(told).items(), key=lambda one: (-one[1], one[0]))] or ["things"]
        kept = [word for word in common if request.temperature <= 0.3 or rng.random() > 0.4] or common[:1]
        lists = [", ".join(kept[: field.most]) for field in parser.fields[1:]]
        summary = f"{parser.lines[0]} {', '.join(kept[:4])} among all of the things there are."
        labels = [field.label for field in parser.fields[1:]]
        return "\n".join([summary, *(f"{label}: {one}" for label, one in zip(labels, lists, strict=True))])
