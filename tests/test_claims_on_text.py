"""What overlaps, changes, pairs and trends say in words; the rule behind them is in test_against_base.py."""

import re

import numpy as np
import pandas as pd
import pytest

from lib.analysis import distant_users, risen_items, text_overlap
from lib.core.names import BACKBONES
from lib.evaluation.verdicts import claims_on_text
from lib.evaluation.verdicts.against_base import again

NAN = float("nan")


def gains(values: dict, further: dict, error=1.0):
    rows = [(*model, gain, error, 999.0) for model, gain in values.items()]
    rows += [(backbone, again(2024), gain, error, 999.0) for backbone, gain in further.items()]
    table = pd.DataFrame(rows, columns=["backbone", "alignment", "gain_pct", "gain_error", "freedom"])
    return claims_on_text.judged_gains(table)


FURTHER = dict(zip(BACKBONES, (1.0, -1.0, 0.5, -0.5, 1.0, -1.0), strict=True))


def test_overlap_verdicts_name_the_backbones_and_what_would_have_shown():
    table = gains({("gccf", "contrastive"): 40, ("sgl", "contrastive"): 0.1, ("dccf", "contrastive"): -40}, FURTHER)
    (sentence,) = claims_on_text.overlap_verdicts(table)
    shown = table.set_index("backbone").query("alignment == 'contrastive'").loc["sgl", "detectable"]
    assert sentence == (
        "contrastive: 1 of 3 backbones above base; supported for gccf; "
        f"inconclusive for sgl ({shown:.1f}% would show); not supported for dccf"
    )
    assert claims_on_text.spread_said(table, "gain_pct") == (
        "spread between seeds: two runs of base differ by 0.866 (standard deviation), from 6 further runs of base of 6 "
        "backbones"
    )


def test_without_further_runs_of_base_it_is_said_that_seeds_are_unknown():
    table = gains({("gccf", "contrastive"): 40, ("gccf", "generative"): -40}, {})
    assert claims_on_text.overlap_verdicts(table) == [
        f"{name}: 0 of 1 backbones above base; inconclusive for gccf (seeds unknown)"
        for name in ("contrastive", "generative")
    ]
    assert "unknown without two further runs of base" in claims_on_text.spread_said(table, "gain_pct")


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.1, "is supported,"), (-0.1, "is not supported,"), (0, "is inconclusive (")]
)
def test_change_verdicts_are_those_of_the_gains(shift, verdict):
    rng = np.random.default_rng(1)
    base = rng.uniform(0.3, 0.7, 300)
    values = {(backbone, "base"): base for backbone in BACKBONES}
    values |= {(backbone, again(2024)): base + rng.normal(0, 0.01, 300) for backbone in BACKBONES}
    noise = rng.normal(0, 0.01, 300)
    values = pd.DataFrame(values | {("gccf", "contrastive"): base + shift + noise - noise.mean()})
    found = claims_on_text.judged_gains(text_overlap.gains_over_base(values, rng).reset_index())
    changes = risen_items.changes_from_base(values["gccf"], rng)
    (sentence,) = claims_on_text.change_verdicts(changes, found[found["backbone"] == "gccf"])
    assert sentence.startswith("contrastive: a rise on average " + verdict)
    sign = "\N{MINUS SIGN}" if shift < 0 else "[+\N{MINUS SIGN}]"
    assert re.search(f"all items {sign if shift <= 0 else '[+]'}{abs(shift):.4f} [(]", sentence)


@pytest.mark.parametrize(
    ("change", "verdict"), [(-0.2, "supported;"), (0.2, "not supported;"), (0.0, "inconclusive (")]
)
def test_partners_that_come_nearer_support_the_claim(change, verdict):
    rng, summaries = np.random.default_rng(0), {}
    pairs = pd.DataFrame({"user": range(100), "partner": range(100, 200), "cosine": 0.5})
    for backbone in BACKBONES:
        base = rng.uniform(0.3, 0.7, 100)
        moved = {"base": base, again(2024): base + rng.normal(0, 0.01, 100)}
        if backbone == "gccf":
            moved["contrastive"] = base + change + rng.normal(0, 0.01, 100)
        frames = [pairs.assign(space=name, nearer=values) for name, values in moved.items()]
        summaries[backbone] = distant_users.pair_summary(pd.concat(frames), rng)
    found = claims_on_text.judged_pairs(summaries)
    (sentence,) = claims_on_text.pair_verdicts(found[found["backbone"] == "gccf"])
    assert sentence.startswith(f"contrastive: {verdict}")
    assert found.loc[found["measure"] == "cosine", "verdict"].isna().all()


def test_permuted_texts_must_overlap_by_chance():
    table = pd.DataFrame({"permuted": [0.0110, 0.0095], "chance": 0.01})
    assert claims_on_text.near_chance(table)
    assert not claims_on_text.near_chance(table.assign(permuted=[0.0121, 0.01]))
    assert not claims_on_text.near_chance(table.assign(permuted=[0.0079, 0.01]))


# Trend and clusters


def scores(slopes: dict, seeds=0.002, error=0.01):
    """Rows of one measure, 'slope of bins' and 'slope' alike, for slopes {alignment: value} of gccf."""
    rows = []
    for measure in ("slope", "slope of bins"):
        for name, value in slopes.items():
            change = NAN if name == "base" else value - slopes["base"]
            rows.append(("gccf", name, measure, value, error, change, error, 49.0))
        for place, backbone in enumerate(BACKBONES if seeds else ()):
            change = seeds * (-1) ** place
            rows.append((backbone, again(2024), measure, slopes["base"] + change, error, change, error, 49.0))
    columns = ["backbone", "alignment", "measure", "value", "error", "difference", "difference_error", "freedom"]
    return claims_on_text.judged_scores(pd.DataFrame(rows, columns=columns).assign(vectors="ego"), "gccf")


def test_a_base_that_rises_is_unlike_the_reports_and_one_around_zero_is_not():
    rising = claims_on_text.flat_verdicts(scores({"base": 0.32, "contrastive": 0.33}), "gccf")
    assert len(rising) == 2 and all("not flat, it rises: unlike base" in sentence for sentence in rising)
    assert rising[0].startswith("base of gccf, slope over all pairs +0.320 [+0.")
    falling = claims_on_text.flat_verdicts(scores({"base": -0.32}), "gccf")
    assert "\N{MINUS SIGN}0.320" in falling[1] and "it falls" in falling[1]
    flat = claims_on_text.flat_verdicts(scores({"base": 0.01}), "gccf")
    assert all("not told apart from flat (0.0" in sentence and "would show), as base" in sentence for sentence in flat)
    unknown = claims_on_text.flat_verdicts(scores({"base": 0.32}, seeds=None), "gccf")
    assert all(
        sentence.endswith("+0.320: inconclusive, since the spread between seeds is unknown") for sentence in unknown
    )


def test_the_slope_of_one_run_varies_by_half_of_what_a_difference_does():
    table = claims_on_text.slopes_of_base(scores({"base": 0.3}, seeds=0.1), "gccf")
    assert table["error"].tolist() == pytest.approx([np.sqrt(0.01**2 + 0.1**2 / 2)] * 2)


def test_slopes_in_the_order_of_the_reports_figure():
    as_there = claims_on_text.order_of_slopes(scores({"base": 0.0, "contrastive": 0.5, "generative": 0.2}), "gccf")
    assert "base, generative, contrastive, as in the report's figure" in as_there
    assert as_there.endswith("contrastive steeper than base is supported; generative steeper than base is supported")
    other = claims_on_text.order_of_slopes(scores({"base": 0.3, "contrastive": 0.301, "generative": 0.2}), "gccf")
    assert "generative, base, contrastive, unlike the report's figure" in other
    assert "contrastive steeper than base is inconclusive; generative steeper than base is not supported" in other


def test_score_verdicts_have_the_interval_of_both_sources():
    table = scores({"base": 0.1, "contrastive": 0.5, "generative": 0.1})
    row = table[(table["alignment"] == "contrastive") & (table["measure"] == "slope")].iloc[0]
    sentences = claims_on_text.score_verdicts(table)
    assert sentences[0] == (
        "contrastive: a higher slope over all pairs is supported, "
        f"+0.400 [+{row.total_low:.3f}, +{row.total_high:.3f}] to base"
    )
    assert "inconclusive (" in sentences[1] and "would show)" in sentences[1]


def test_clusters_are_judged_by_both_numbers():
    table = scores({"base": 0.1, "contrastive": 0.5, "generative": 0.1})
    table["measure"] = table["measure"].map({"slope": "silhouette", "slope of bins": "nmi"})
    assert claims_on_text.cluster_claim(table) == (
        "clusters further apart than in base: contrastive: silhouette of the text clusters supported, NMI with the "
        "text clusters supported; generative: silhouette of the text clusters inconclusive, NMI with the text clusters "
        "inconclusive"
    )
