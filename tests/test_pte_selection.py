"""Selection of profiles as a whole, in a world where the good one is known, and its settings."""

import numpy as np
import pandas as pd
import pytest
import yaml

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.evaluation.significance import bootstrap_mean
from lib.papers.pte.selection import settings as selection_settings
from lib.papers.pte.selection.candidate_selectors import POLICIES, table
from lib.papers.pte.selection.figures import policies_figure
from lib.papers.pte.selection.planted_comparison import compared
from lib.papers.pte.selection.planted_world import KINDS, planted_world
from lib.papers.pte.selection.rewards import parts
from lib.papers.pte.selection.sweeps import select

SETTINGS = selection_settings.load()
SEEDS = 10, 11  # not those on which the world was adjusted
SIZE = 240, 200


@pytest.fixture(scope="module")
def outcomes():
    short = SETTINGS.training.model_copy(update={"refreshes": 15})
    small = SETTINGS.model_copy(update={"training": short, "sweeps": 1})
    return [compared(small, seed, n_users=SIZE[0], n_items=SIZE[1]) for seed in SEEDS]


@pytest.fixture(scope="module")
def world():
    return planted_world(SETTINGS, 0)


def test_the_policy_picks_what_is_good_for_most_of_those_it_has_not_seen(outcomes):
    for outcome in outcomes:
        for side in outcome.sides.values():
            assert side.worth["grpo"]["good"].mean() >= 0.6
            assert 0.15 < side.worth["random"]["good"].mean() < 0.4


@pytest.mark.parametrize("other", ["candidate0", "medoid"])
def test_the_policy_beats_the_first_and_the_most_central_candidate_on_held_out_interactions(outcomes, other):
    worth = [side.worth for outcome in outcomes for side in outcome.sides.values()]
    gains = [values["grpo"]["r_col"] - values[other]["r_col"] for values in worth]
    low, _ = bootstrap_mean(np.concatenate(gains), np.random.default_rng(0))
    assert low > 0 and all(gain.mean() > 0 for gain in gains)


def test_the_oracle_bounds_what_can_be_gained(outcomes):
    for found in (outcome.table for outcome in outcomes):
        rewards = found[found.metric == "reward"].pivot(index="side", columns="policy", values="value")
        assert (rewards.idxmax(axis=1) == "oracle").all()


def test_the_table_is_tidy(outcomes):
    found, sides = outcomes[0]
    assert list(found) == ["dataset", "side", "policy", "seed", "metric", "value", "ci_low", "ci_high"]
    assert set(found.policy) == set(POLICIES) and set(found.side) == {"user", "item"}
    assert not found.duplicated(["side", "policy", "metric"]).any() and not found.isna().any().any()
    assert (found.ci_low <= found.value).all() and (found.value <= found.ci_high).all()
    row = found[(found.side == "item") & (found.policy == "medoid") & (found.metric == "r_col")].iloc[0]
    assert row.value == pytest.approx(sides["item"].worth["medoid"]["r_col"].mean())
    # an entity without a metric is left out of its mean
    line = table({"grpo": {"r_col": np.array([1, np.nan, 0.5])}}, "toys", "user", 3, np.random.default_rng(0))
    assert line.value.tolist() == [0.75] and line.seed.tolist() == [3]


def test_the_figure_has_a_dot_for_each_policy_and_seed(outcomes):
    figure = policies_figure(pd.concat([outcome.table for outcome in outcomes]))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["users", "items"] * 2
    for axes in figure.axes:
        dots = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
        assert sorted(map(len, dots)) == [len(POLICIES)] * len(SEEDS)


def test_the_worlds_candidates_are_what_they_are_called(world):
    for side, other in ((world.users, world.items), (world.items, world.users)):
        kinds, of_others = world.kinds[side.name][0], world.kinds[other.name][1]
        references = other.final.picked((of_others == KINDS.index("good")).argmax(axis=1))
        found = parts(side, references, SETTINGS.reward)
        mean = {
            name: {kind: np.nanmean(part[kinds == i]) for i, kind in enumerate(KINDS)} for name, part in found.items()
        }
        for part in ("r_col", "r_dis"):
            assert mean[part]["good"] > max(mean[part]["smoothed"], mean[part]["truncated"]) > mean[part]["off_topic"]
        assert mean["r_col"]["off_topic"] == pytest.approx(0.5, abs=0.1), "chance"
        assert mean["r_fmt"] == {"good": 1, "smoothed": 1, "truncated": 0, "off_topic": 1}
        # where a candidate stands says nothing of its kind
        assert np.abs((kinds == 0).mean(axis=0) - 0.25).max() < 0.1


def test_no_candidate_with_a_reward_was_shown_a_probe_or_a_target(world):
    histories, item = world.histories, world.sequences.item
    for side in (world.users, world.items):
        assert side.probes.defined.all()
        assert side.rewarded.shown.multiply(side.probes.hidden).nnz == 0
        whole = side.final.shown[side.rewarded.entity]
        assert ((side.rewarded.shown + side.probes.hidden) != whole).nnz == 0
    visible = [set(histories.of(user) - 1) for user in histories.users]
    assert [set(part.indices) for part in world.users.final.shown] == visible
    assert not np.asarray(world.users.final.shown[histories.users, item[histories.stop] - 1]).any()


def test_what_is_chosen_is_the_policys_and_the_same_again():
    small = SETTINGS.model_copy(
        update={"sweeps": 1, "training": SETTINGS.training.model_copy(update={"refreshes": 2, "inner_epochs": 1})}
    )
    world = planted_world(small, 3, 120, 60)
    first, again = (select(world.users, world.items, small, 1) for _ in range(2))
    for side in (world.users, world.items):
        found = first[side.name]
        assert np.array_equal(found.picks, found.probabilities.argmax(axis=1))
        assert np.array_equal(found.references, side.final.vectors[np.arange(len(found.picks)), found.picks])
        assert np.array_equal(found.before, side.final.vectors[:, 0])
        assert found.probabilities.tobytes() == again[side.name].probabilities.tobytes()


# Settings


def test_a_misspelt_setting_is_told(tmp_path):
    content = yaml.safe_load((ROOT / "params" / selection_settings.FILE).read_text())
    content["selection"]["reward"]["colaborative"] = 1
    path = tmp_path / selection_settings.FILE
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="pte.yaml: selection: reward: unknown key 'colaborative'.*'collaborative'"):
        selection_settings.load(tmp_path)
    path.write_text("other: {}")
    with pytest.raises(UserError, match="selection: .*should be a block"):
        selection_settings.load(tmp_path)


def test_the_weights_are_those_of_the_note():
    reward, training = SETTINGS.reward, SETTINGS.training
    assert (reward.collaborative, reward.distinctiveness, reward.format) == (1, 0.5, 0.2)
    assert (training.epsilon, training.beta, training.inner_epochs, SETTINGS.sweeps) == (0.2, 0.04, 4, 2)
