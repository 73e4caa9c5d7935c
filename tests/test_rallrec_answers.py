"""A language model is tuned, asked and found again in its record: on planted ratings, with random weights."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import tiny_language_model as tiny
from planted_ratings import planted
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from lib import cli
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.language.yes_no import adapters, tuning
from lib.language.yes_no.scorer import Scorer
from lib.papers.rallrec import (
    answer_tables,
    augmentation,
    few_shot,
    published,
    questions,
    recording,
    settings,
    shown_ratings,
    tuning_curves,
)
from lib.papers.rallrec.answers import EXACT, Study
from lib.papers.rallrec.questions import RALLREC, ZERO_SHOT, Question

ALL = questions.answering(questions.TABLE_1, questions.TABLE_3, questions.TABLE_4)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    planted(data, n_users=40, n_items=60, ratings_per_user=20)
    tiny.save(data / "model", context=2048)
    shutil.copytree(ROOT / "params", data / "params")
    encoder = data / "params/encoders/tfidf.yaml"
    encoder.write_text(encoder.read_text().replace("dimensions: 256", "dimensions: 8"))
    folders = dict(data=data, runs=data / "runs", params=data / "params")
    return dict(model=str(data / "model"), encoder="tfidf", writer=None, scale="tiny", **folders)


def study_of(places, **changes) -> Study:
    made = Study("ml1m", **places)
    asked = made.settings.questions.model_copy(update=dict(test_rows=24, alphas=[0.2, 0.8]) | changes)
    made.settings = made.settings.model_copy(update={"questions": asked})
    return made


@pytest.fixture(scope="module")
def recorded(places):
    """Everything is tuned, asked and recorded once."""
    study = study_of(places)
    before = recording.estimate(study, None, live=False)
    told = [*recording.tune(study), *recording.ask(study)]
    return study, before, told


def test_answers_are_those_of_the_model_with_that_adapter(recorded, places):
    study, _, _ = recorded
    for question in (ZERO_SHOT, RALLREC, Question("rella", "title", "sim_chrono")):
        adapter = study.adapter(question.adapter, 42) if question.adapter else None
        said = Scorer(study.model, adapter, study.settings.questions.precision).score(study.prompts(question))
        np.testing.assert_allclose(study.answers(question).p, said.p, atol=0.02)
    exact = Scorer(study.model, study.adapter("mixed", 42)).score(study.prompts(RALLREC))
    np.testing.assert_allclose(study.answers(RALLREC, precision=EXACT).p, exact.p, atol=1e-5)
    assert study.asked_now == 0


def test_the_same_command_again_asks_nothing(recorded, places, monkeypatch):
    study = study_of(places)
    files = {path: path.stat().st_mtime_ns for path in study.folder.rglob("*") if path.is_file()}
    assert len([path for path in files if path.suffix == ".parquet"]) == 7, "five adapters, none, and one exact"

    def refuse(*_, **__):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(tuning, "Learning", refuse)
    monkeypatch.setattr("lib.language.yes_no.recorded_scores.Scorer", refuse)
    assert len([*recording.tune(study), *recording.ask(study)]) == len(recorded[2])
    assert recording.estimate(study, None, live=False).endswith("is recorded")
    assert files == {path: path.stat().st_mtime_ns for path in study.folder.rglob("*") if path.is_file()}


def test_the_estimate_counts_what_is_then_read(recorded):
    study, before, _ = recorded
    learnt = 0
    for name in augmentation.MIXES:
        train, validation = (sum(study.count([one.user for one in part])) for part in study.examples(name))
        learnt += study.how(name, 42).epochs * (train + validation) + validation
    asked = [*study.asked_of(alpha=study.settings.rerank.alpha).values(), *study.prompts_of_alphas().values()]
    answered = sum(sum(study.tokens.count(prompts)) for prompts in asked)
    assert f"{learnt:,} tokens to learn from and {answered:,} to answer, about " in before


def test_alpha_is_the_best_one_on_validation_samples(recorded):
    study, _, told = recorded
    labels, scorer = study.labels("validation"), Scorer(study.model, study.adapter("mixed", 42), "bfloat16")
    aucs = {}
    for alpha in (0.2, 0.8):
        asked = study.prompts(RALLREC, "validation", alpha)
        aucs[alpha] = roc_auc_score(labels, scorer.score(asked).p)
        assert study.validated_alphas[alpha] == pytest.approx(aucs[alpha], abs=0.1)
    chosen = max(study.validated_alphas, key=study.validated_alphas.get)
    assert study.alpha == chosen and any(f"alpha {chosen:.2f} is the best" in line for line in told)
    other = 1.0 - chosen
    assert study.prompts(RALLREC) == study.prompts(RALLREC, alpha=chosen) != study.prompts(RALLREC, alpha=other)


def test_a_few_missing_answers_are_asked_now_and_more_are_an_error(recorded, places):
    study = study_of(places)
    record = study.record_of(None, 42)
    prompts = study.prompts(ZERO_SHOT)
    known = record.lookup(prompts).p
    kept = record._read()
    try:
        record._write({key: row for key, row in kept.items() if key != prompts[3].key})
        np.testing.assert_allclose(study.answers(ZERO_SHOT).p, known, atol=0.02)
        assert study.asked_now == 1 and len(record.missing(prompts)) == 1, "nothing is written"
        record._write({key: row for key, row in kept.items() if key in {prompt.key for prompt in prompts[:12]}})
        with pytest.raises(UserError, match="12 of 24 prompts.*python -m lib answers ml1m --model"):
            study_of(places).answers(ZERO_SHOT)
    finally:
        record._write(kept)


def test_live_tunes_and_asks_again(recorded, places):
    study = study_of(places)
    place = study.adapter("sim", 42) / adapters.ABOUT
    before = place.stat().st_mtime_ns
    weights = (study.adapter("sim", 42) / adapters.WEIGHTS).read_bytes()
    assert len([*recording.tune(study, ["sim"], live=True)]) == 1
    assert place.stat().st_mtime_ns > before
    assert (study.adapter("sim", 42) / adapters.WEIGHTS).read_bytes() == weights, "the same bits again"
    assert (
        recording.tokens_to_answer(study, ["sim"], live=True) > 0 == recording.tokens_to_answer(study, ["sim"], False)
    )


def test_k_shrinks_where_the_model_reads_little_and_that_is_told(recorded, places):
    study, plenty = study_of(places), recorded[0]
    study.limit = max(plenty.count([one.user for one in plenty.prompts(ZERO_SHOT)])) - 10
    texts = [prompt.user for prompt in study.prompts(ZERO_SHOT)]
    assert max(study.count(texts)) <= study.limit and plenty.shortened == 0
    assert study.shortened == sum(prompt.user not in texts for prompt in plenty.prompts(ZERO_SHOT)) > 0


# Which questions there are


def test_rows_of_tables_are_the_papers():
    for number, table in ((1, questions.TABLE_1), (3, questions.TABLE_3), (4, questions.TABLE_4)):
        known = set(published.published(number).model) - {"p_value", *published.CLICK_MODELS}
        assert set(table) == known


def test_a_question_of_two_tables_is_asked_once_and_table_1_with_every_seed():
    quick = settings.load("quick")
    asked = quick.questions.model_copy(update={"seeds": [42, 43]})
    of_one, of_two = (questions.everything(one) for one in (quick, quick.model_copy(update={"questions": asked})))
    assert len(of_one) == len(set(of_one))
    assert {seed for _, seed in of_one} == {42}
    assert set(of_two) - set(of_one) == {(question, 43) for question in questions.TABLE_1.values() if question.adapter}
    # Figure 3 with the usual K and Figure 4's reranked row are Table 1's
    systems = [questions.figure_3(quick)[name, quick.retrieval.k] for name in ("rallrec", "rella", "zero_shot")]
    assert systems == [questions.TABLE_1[name] for name in ("rallrec", "rella", "zero_shot")]
    assert questions.FIGURE_4["mixed", "reranked"] == RALLREC
    assert [name for name, _ in questions.tunings(quick)] == list(augmentation.MIXES)


def test_all_tunings_take_at_least_as_many_steps_as_the_mixed_one(recorded):
    study, _, _ = recorded
    size = study.settings.tuning.batch_size
    steps = {name: study.how(name, 42).epochs * -(-len(study.examples(name)[0]) // size) for name in augmentation.MIXES}
    assert min(steps.values()) == steps["mixed"] and max(steps.values()) <= 2 * steps["mixed"]


def test_rella_retrieves_by_title_and_ablations_learn_one_order(recorded):
    study, _, _ = recorded
    rows, positions = study.rows["train"], study.positions("train")
    shown = study.renderer.prompts(rows, positions["title"], "sim_chrono")
    assert [one.user for one in study.examples("rella")[0][1::2]] == shown
    recent = study.renderer.prompts(rows, positions["recent"], "recent")
    assert [one.user for one in study.examples("recent")[0]] == recent
    assert len(study.examples("sim")[0]) == len(rows)


# Tables


def test_metrics_are_sklearns(recorded):
    study, _, _ = recorded
    rng = np.random.default_rng(0)
    table = answer_tables.measured(study, {"rallrec": RALLREC, "zero_shot": ZERO_SHOT}, rng).set_index(
        ["model", "metric"]
    )
    labels = study.labels()
    for name, question in {"rallrec": RALLREC, "zero_shot": ZERO_SHOT}.items():
        said = study.answers(question)
        assert table.value[name, "auc"] == pytest.approx(roc_auc_score(labels, said.p))
        assert table.value[name, "log_loss_legacy"] == pytest.approx(log_loss(labels, said.p_legacy), abs=1e-6)
        assert table.value[name, "acc"] == np.mean((said.p > 0.5) == labels)
    assert (table.ci_low <= table.value).all() and (table.value <= table.ci_high).all()
    tests = answer_tables.compared(study, ZERO_SHOT, {"rallrec": RALLREC}, rng).set_index("metric")
    assert tests.difference["auc"] == pytest.approx(table.value["rallrec", "auc"] - table.value["zero_shot", "auc"])
    assert 0 < tests.p_delong["auc"] <= 1 and np.isnan(tests.p_delong["acc"])


def test_intervals_apart_and_the_best_row():
    rows = [("a", 0.5, 0.4, 0.55), ("b", 0.7, 0.6, 0.8), ("c", 0.65, 0.52, 0.7)]
    table = pd.DataFrame(rows, columns=["model", "value", "ci_low", "ci_high"]).assign(metric="auc")
    assert answer_tables.apart(table, "a", "b") and not answer_tables.apart(table, "a", "c")
    assert answer_tables.best(table) == "b" and answer_tables.best(table, ["b"]) == "c"


def test_click_models_stand_beside_in_words():
    llm = pd.DataFrame({"model": ["rallrec"], "metric": ["auc"], "value": [0.6]})
    rows = [("full", "dcn", 0.7), ("full", "dcn", 0.8), ("full", "deepfm", 0.76), ("fewshot", "dcn", 0.55)]
    clicks = pd.DataFrame(rows, columns=["scope", "model", "value"]).assign(metric="auc")
    said = answer_tables.beside_click_models(llm, clicks, "rallrec")
    few, full = "(dcn, fewshot) is 0.050 below it", "(deepfm, full) is 0.160 above it"
    assert said == f"; the best click model {few}; the best click model {full}"
    assert answer_tables.beside_click_models(llm, clicks[:0], "rallrec") == ""


def stars(prompt) -> list[float]:
    return [float(one) for one in re.findall(r"\((\d+) stars?\)\"", prompt.user)]


@pytest.mark.parametrize("question", [ZERO_SHOT, RALLREC, Question("rella", "title", "sim_chrono")])
def test_mean_ratings_are_those_that_stand_in_the_prompts(recorded, question):
    study, _, _ = recorded
    means = np.array([np.mean(stars(prompt)) for prompt in study.prompts(question)])
    expected = (means - means.min()) / (means.max() - means.min())
    np.testing.assert_allclose(shown_ratings.mean_ratings(study, question), expected, atol=1e-12)


def test_what_the_ratings_tell_stands_beside_the_answers(recorded):
    study, _, _ = recorded
    (row,) = shown_ratings.beside(study, {"rallrec": RALLREC}, np.random.default_rng(0)).itertuples()
    said, means = study.answers(RALLREC).p, [np.mean(stars(prompt)) for prompt in study.prompts(RALLREC)]
    assert row.value == pytest.approx(roc_auc_score(study.labels(), said))
    assert row.of_shown_ratings == pytest.approx(roc_auc_score(study.labels(), means))
    assert row.difference == pytest.approx(row.value - row.of_shown_ratings)
    assert row.rank_correlation == pytest.approx(stats.spearmanr(said, means).statistic)


def test_the_ratings_in_words():
    row = dict(model="rallrec", value=0.5, of_shown_ratings=0.7, difference=-0.2, rank_correlation=0.0)
    said = shown_ratings.in_words(pd.DataFrame([row | dict(ci_low=-0.3, ci_high=-0.1)]), "rallrec")
    assert "prompts of rallrec has an AUC of 0.700, the answers to these prompts have 0.500, clearly less;" in said
    more = row | dict(difference=0.1, ci_low=-0.1, ci_high=0.3)
    assert "0.500, not clearly more;" in shown_ratings.in_words(pd.DataFrame([more]), "rallrec")


def test_the_loss_of_the_base_rate_is_that_of_certain_form_and_constant_p(recorded):
    study, _, _ = recorded
    labels, rate = study.labels("validation"), study.labels("train").mean()
    constant = log_loss(labels, np.full(len(labels), rate), labels=[0, 1])
    learning = tuning.Learning(study.model, study.how("sim", 42))
    counts = [count for _, count in learning.encoded(study.examples("sim")[1])]
    assert tuning_curves.base_rate_loss(study) == pytest.approx(constant * len(labels) / sum(counts))
    assert (tuning_curves.curves(study).base_rate_loss == tuning_curves.base_rate_loss(study)).all()


def test_tunings_in_words():
    rows = [(1.0, 0.23, 0.226, 0.49), (1.0, 0.2, 0.226, 0.6), (1.0, 0.995, 0.226, 0.5)]
    table = pd.DataFrame(rows, columns=["loss before", "lowest loss", "loss of the base rate", "highest AUC"])
    said = tuning_curves.in_words(table)
    assert said.startswith("of 3 tunings 2 lower the validation loss by more than .01 and 1 ends as far below that of")
    assert said.endswith("their highest AUC of validation samples is 0.600")
    assert "and none ends as far" in tuning_curves.in_words(table[::2])
    one = tuning_curves.in_words(table[:1])
    assert one.startswith("the tuning lowers the validation loss by more than .01 and does not end as far below")
    assert "the tuning does not lower" in tuning_curves.in_words(table[2:])


def test_rows_above_chance_and_intervals_that_meet():
    table = pd.DataFrame({"metric": "auc", "ci_low": [0.45, 0.52], "ci_high": [0.6, 0.7]})
    assert answer_tables.above_chance(table) == "the AUC of 1 of 2 rows is clearly above one half"
    assert answer_tables.above_chance(table.assign(ci_low=0.4)).startswith("the AUC of none of 2 rows is")
    assert answer_tables.intervals_meet(table) == "the intervals of all rows overlap"
    apart = table.assign(ci_low=[0.45, 0.61])
    assert answer_tables.intervals_meet(apart) == "the intervals of some rows are apart"


def test_models_over_seeds_are_compared_seed_by_seed():
    rows = [("a", 1, 0.5), ("a", 2, 0.6), ("a", 3, 0.55), ("b", 1, 0.6), ("b", 2, 0.68), ("b", 3, 0.66)]
    table = pd.DataFrame(rows, columns=["model", "seed", "value"]).assign(metric="auc")
    (row,) = answer_tables.compared_over_seeds(table, "a", "b").itertuples()
    expected = stats.ttest_rel([0.6, 0.68, 0.66], [0.5, 0.6, 0.55])
    assert row.difference == pytest.approx(0.29 / 3) and row.p == pytest.approx(expected.pvalue)


def test_an_adapter_of_other_settings_is_not_used_nor_overwritten(recorded, places):
    study = study_of(places)
    study.settings = study.settings.model_copy(
        update={"tuning": study.settings.tuning.model_copy(update={"learning_rate": 0.5})}
    )
    with pytest.raises(UserError, match="tuned with other settings.*--only mixed --live"):
        study.answers(RALLREC)
    with pytest.raises(UserError, match="tuned with other settings"):
        next(recording.tune(study))
    study = study_of(places)
    study.rows["train"] = study.rows["train"][:5]
    with pytest.raises(UserError, match="tuned with other settings"):
        study.answers(RALLREC)


def test_what_needs_another_adapters_answers_says_so_before_anything_is_tuned(places, tmp_path):
    study = study_of(places)
    study.folder = tmp_path
    with pytest.raises(UserError, match="alpha of the reranking is chosen by answers of mixed.*name mixed too"):
        recording.alpha_known(study, ["rag"])
    recording.alpha_known(study, ["rella"])  # never sees a reranked list
    recording.alpha_known(study, ["rag", "mixed"])


def test_an_alpha_of_an_older_record_is_forgotten(recorded, places, monkeypatch):
    study = study_of(places)
    chosen = study.alpha
    assert "alpha" in study.__dict__
    study.__dict__["alpha"] = 1 - chosen
    assert f"alpha {chosen:.2f}" in next(recording.ask(study, ["mixed"]))


def test_recorded_answers_are_compared_with_the_model_now(recorded, places):
    study = study_of(places)
    assert answer_tables.agreement(study, ALL, 3).agrees.all()
    with pytest.raises(UserError, match="unknown adapter 'mixd'"):
        answer_tables.agreement(study, ["mixd"], 3)
    record = study.record_of("mixed", 42)
    kept = record._read()
    try:
        record._write({key: [yes + 3, no, legacy] for key, (yes, no, legacy) in kept.items()})
        wrong = answer_tables.agreement(study, ALL, 3).set_index("answers_by")
        assert wrong.agrees.sum() == len(wrong) - 1 and not wrong.agrees["mixed-seed42.bfloat16"]
    finally:
        record._write(kept)


def test_click_models_are_measured_on_the_same_samples(places):
    study = study_of(places)
    runs = few_shot.click_runs(
        study.samples, study.settings, ["dcn"], ["fewshot"], [], [1], "tiny", root=places["data"]
    )
    table = few_shot.click_table(runs, np.random.default_rng(0), study.rows["test"])
    (run,) = runs.values()
    said = run.predictions.set_index("row").p.loc[study.rows["test"]]
    assert table.set_index("metric").value["auc"] == pytest.approx(roc_auc_score(study.labels(), said))
    assert table.rows.unique().tolist() == [24]


# Mistakes


def test_mistakes_are_one_sentence(capsys):
    with pytest.raises(UserError, match="unknown adapter 'mixd': did you mean 'mixed'"):
        recording.checked(["mixd"])
    assert cli.main(["answers", "ml1m-ctr"]) == 2
    assert capsys.readouterr().err == (
        "error: ml1m-ctr names no language model of its own: say which one answers with --model\n"
    )
    assert cli.main(["answers", "movielens-100k", "--model", "smolm2", "--estimate"]) == 2
    assert "unknown language model 'smolm2': did you mean 'smollm2'" in capsys.readouterr().err


def test_answers_without_a_recording_say_how_to_make_one(places, tmp_path):
    study = study_of(places)
    study.folder = tmp_path
    with pytest.raises(UserError, match="no recorded score of .* run python -m lib answers ml1m --model"):
        study.answers(ZERO_SHOT)
    with pytest.raises(UserError, match="no adapter in .*mixed-seed42: tune one first"):
        study.answers(RALLREC)
