"""Recordings read back: the prompts behind them, planted leaks in these, and the sides that selection reads."""

import numpy as np
import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.data.sequences.cold_start import cold_start
from lib.language.wording import wording_named
from lib.papers.pte.profiling import candidates, recording
from lib.papers.pte.profiling.contract import serialised
from lib.papers.pte.profiling.figures import MONITORS, monitors_by_round
from lib.papers.pte.profiling.recording import Record
from lib.papers.pte.profiling.replay import leaks, replay
from lib.papers.pte.selection import settings as selection_settings
from lib.papers.pte.selection.recorded_sides import recorded_sides
from tests.support.mock_profiles import MockWriter
from tests.test_pte_profiling_loop import IDENTITY, SETTINGS, encode, films

SELECTION = selection_settings.load()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of planted films, its writer, and what was recorded of it; one item in seven has too few users."""
    settings = SETTINGS.model_copy(update={"probed_users": 30, "probed_items": 20, "least_audience": 3})
    about, writer = candidates.Study(films(), wording_named("films"), settings), MockWriter(broken=2)
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        record = Record(folder, writer.settings, IDENTITY)
        list(candidates.write(about, record, writer, 0, encode))
    return about, writer, recording.load(folder, "these", "record"), pd.read_csv(folder / "rounds.csv")


@pytest.fixture(scope="module")
def replayed(made):
    about, _, profiles, _ = made
    return replay(about, profiles, encode)


def test_a_replay_renders_the_prompts_that_were_asked(made, replayed):
    about, writer, profiles, rounds = made
    asked, loop = replayed
    assert asked.same.all() and (profiles.status == "cold").any() and len(asked) == (profiles.status != "cold").sum()
    assert {request.key for request in asked.request} == {request.key for request in writer.asked}
    pd.testing.assert_frame_equal(loop.rounds, rounds, atol=1e-5, check_dtype=False)


def test_a_replay_of_another_recording_is_refused(made):
    about, _, profiles, _ = made
    with pytest.raises(UserError, match="ask for others than are recorded"):
        replay(about, profiles.iloc[1:], encode)


def test_no_rule_is_broken_and_each_planted_leak_is_found(replayed):
    asked, loop = replayed
    split = cold_start(films())
    found = leaks(asked, loop, split)
    assert (found.broken == 0).all() and (found.checked > 5).all()
    target = {user: item for name in ("train", "validation", "test") for part in [getattr(split, name)]
              for user, item in zip(part.user, part.target, strict=True)}  # fmt: skip
    names = loop.renderer.names

    def told(rows, name):
        """The rules that are broken where one request tells one thing more."""
        changed, at = asked.copy(), rows[0]
        request = asked.request[at]
        more = request.user.replace("\n\n", f"\n- {name}\n\n")
        changed["request"] = [type(request)(**{**vars(request), "user": more}) if i == at else one
                              for i, one in enumerate(asked.request)]  # fmt: skip
        broken = leaks(changed, loop, split).broken
        return [i for i, count in enumerate(broken) if count]

    free = [i for i, row in asked.iterrows() if row.side == "user" and not row.probed
            and target[row["index"]] not in loop.histories.of(row["index"])]  # fmt: skip
    assert told(free, names[target[asked["index"][free[0]]] - 1]) == [0, 1]
    hidden = [i for i, row in asked.iterrows() if row.side == "user" and row.probed]
    assert told(hidden, names[loop.probes.users[asked["index"][hidden[0]]][0] - 1])[-1] == 2
    items = [i for i, row in asked.iterrows() if row.side == "item"]
    assert told(items, names[asked["index"][items[0]] % len(names)]) == [3]


def test_a_neighbour_who_is_no_train_user_is_found(replayed):
    asked, loop = replayed
    stranger = int(np.flatnonzero(~loop.histories.train)[0])
    known, loop.near = loop.near, loop.near.copy()
    loop.near[loop.histories.users[0], 0] = stranger
    assert leaks(asked, loop, cold_start(films())).broken.tolist() == [0, 0, 0, 0, 1, 0]
    loop.near = known


def test_sides_hold_what_was_recorded(made):
    about, _, profiles, _ = made
    found = recorded_sides(about, profiles, encode, SELECTION, 0)
    last = profiles[profiles["round"] == profiles["round"].max()].set_index(["side", "index", "candidate", "probed"])
    for side, index in ((found.users, found.of_users), (found.items, found.of_items)):
        texts = found.texts[side.name]
        cold = set(profiles[(profiles.side == side.name) & (profiles.status == "cold")]["index"])
        for row, who in enumerate(index):
            for g in range(texts.shape[1]):
                own = last.loc[(side.name, who, 0 if who in cold else g, False)]
                assert texts[row, g] == serialised(own.text, side.name)
        np.testing.assert_allclose(side.final.vectors[3, 1], encode([texts[3, 1]])[0], atol=1e-6)
        probed = sorted(profiles[(profiles.side == side.name) & profiles.probed]["index"].unique())
        assert set(index[side.rewarded.entity]) <= set(probed) and len(side.rewarded) >= len(probed) - 2
        assert not side.rewarded.shown.multiply(side.probes.hidden).nnz
    of, loop = about.histories, about.loop(None, None)
    for row, who in enumerate(found.of_users):
        assert set(found.of_items[found.users.final.shown[row].indices]) == set(of.of(who))
        near = [found.of_users[other] for other in found.users.neighbours[row] if other >= 0]
        assert near[: about.settings.neighbours] == [other for other in loop.near[who] if other >= 0]
    for row, at in enumerate(found.users.rewarded.entity):
        rest = set(found.of_items[found.users.rewarded.shown[row].indices])
        hidden = set(found.of_items[found.users.probes.hidden[row].indices])
        assert rest | hidden == set(of.of(found.of_users[at])) and hidden and not rest & hidden
        assert not set(found.users.probes.negatives[row]) & set(found.users.final.shown[at].indices)


@pytest.mark.parametrize("side", ["user", "item"])
def test_a_side_without_rewards_is_told(made, side):
    about, _, profiles, _ = made
    with pytest.raises(UserError, match=f"no candidate of a {side} has a reward: raise probed_{side}s"):
        recorded_sides(about, profiles[~(profiles.probed & profiles.side.eq(side))], encode, SELECTION, 0)


def test_the_recorded_scale_is_the_trial_until_another_is_there(tmp_path):
    assert candidates.recorded_scale("films", "quick", "smollm2", tmp_path) == "tiny"
    path = recording.folder("films", "quick", "smollm2", None, tmp_path) / "profiles.parquet"
    path.parent.mkdir(parents=True)
    path.touch()
    assert candidates.recorded_scale("films", "quick", "smollm2", tmp_path) == "quick"


def test_the_monitors_have_a_panel_each(made):
    figure = monitors_by_round(made[3])
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(MONITORS.values())
    drift = made[3].query("side == 'item'").drift.tolist()
    lines = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert lines["items"] == drift
