"""The comparison of scoring and tuning with a plain loop: it measures the same work, and says so in a table."""

import numpy as np
import pandas as pd
import pytest
import tiny_language_model as tiny

from benchmarks import scoring
from lib.language.yes_no.scorer import Scorer


@pytest.fixture
def films(tmp_path, monkeypatch):
    """Six people rate thirty films each, one after the other."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "films"
    folder.mkdir()
    users, items = np.repeat(np.arange(6), 30), np.concatenate([rng.permutation(30) for _ in range(6)])
    table = {"user_id": users, "item_id": items, "rating": rng.integers(1, 6, 180), "time": rng.permutation(180)}
    pd.DataFrame(table).to_csv(folder / "ml-100k.inter", sep="\t", index=False)
    titles = pd.DataFrame({"id": range(30), "title": [f"Film {index}" for index in range(30)], "year": 1990})
    titles.to_csv(folder / "ml-100k.item", sep="\t", index=False)
    monkeypatch.setattr(scoring, "FILMS", folder)
    return pd.DataFrame(table).sort_values("time")


def test_prompts_show_what_came_before(films):
    prompts, labels = scoring.drawn(12, shown=3)
    rows = films.reset_index(drop=True).iloc[162:]
    for prompt, label in zip(prompts, labels, strict=True):
        matches = []
        for row in rows.itertuples():
            before = films[(films.user_id == row.user_id) & (films.time < row.time)].tail(3)
            told = ", ".join(f"Film {one.item_id} ({one.rating} stars)" for one in before.itertuples())
            if f": {told}." in prompt.user and f"like Film {row.item_id}?" in prompt.user:
                matches.append(int(row.rating > 3))
        assert matches == [label]


def test_the_plain_loop_does_the_same_work(films, tmp_path):
    settings, (prompts, _) = tiny.save(tmp_path / "m"), scoring.drawn(4, shown=3)
    scorer = Scorer(settings)
    found = scorer.score(prompts)
    np.testing.assert_allclose(
        scoring.plain_scores(scorer.model, scorer.tokens, prompts), found.z_yes - found.z_no, atol=1e-4
    )


def test_the_command_saves_all_implementations(films, tmp_path, capsys):
    tiny.save(tmp_path / "m")
    arguments = ["--model", str(tmp_path / "m"), "--prompts", "6", "--plain", "2", "--shown", "3", "--turns", "1"]
    assert scoring.main([*arguments, "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "scoring-cpu.csv")
    assert len(table) == 6
    assert (table[table.implementation == "plain"].times_plain == 1).all() and (table.tokens_per_s > 0).all()
    assert "p(yes) differs by at most" in capsys.readouterr().out


def test_without_the_films(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scoring, "FILMS", tmp_path)
    assert scoring.main([]) == 2
    assert "python -m lib fetch movielens-100k" in capsys.readouterr().err
