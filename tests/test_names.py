"""Names of cells: read and written in one place, so what is written is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.core import names
from lib.core.errors import UserError

WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("base", ("base", "base", {})),
        ("base@contrastive", ("base", "contrastive", {})),
        ("contrastive+weight=0.1", ("contrastive", "contrastive", {"weight": 0.1})),
        ("base@generative+layers=2,initial=base", ("base", "generative", {"layers": 2, "initial": "base"})),
    ],
)
def test_alignments(name, parts):
    assert names.read_alignment(name) == parts


@given(kind=WORDS, other=WORDS, key=WORDS, value=st.floats(1e-6, 1e6) | st.integers(0, 9999))
def test_what_is_written_is_read_back(kind, other, key, value):
    written = names.with_settings(kind, **{key: value})
    assert names.read_alignment(written)[:2] == (kind, kind)
    assert float(names.read_alignment(written).changes[key]) == pytest.approx(value, rel=1e-5)
    assert names.read_alignment(names.matched_base(other)) == ("base", other, {})


@pytest.mark.parametrize("broken", ["contrastive+weight", "contrastive+=1", "contrastive+weight="])
def test_a_change_without_key_or_value_is_one_sentence(broken):
    with pytest.raises(UserError, match="write changed settings as key=value"):
        names.read_alignment(broken)


def test_a_needless_match_is_dropped():
    assert names.shortest("base@base+layers=1") == "base+layers=1" and names.shortest("base@kar") == "base@kar"


def test_text_is_read_by_all_but_base():
    assert not names.reads_text("base") and not names.reads_text("base@contrastive+layers=1")
    assert names.reads_text("contrastive+weight=1") and names.reads_text("kar")


@given(dataset=WORDS, share=st.floats(0.001, 1))
def test_variants_of_data(dataset, share):
    assert names.read_dataset(names.with_noise(dataset, share))[:2] == (dataset, "noise")
    assert float(names.read_dataset(names.with_noise(dataset, share)).value) == pytest.approx(share, rel=1e-5)
    assert names.with_noise(dataset, 0) == dataset
    assert names.read_dataset(names.half(dataset, "early")) == (dataset, "early", "")


def test_variants_of_encoders_and_other_signs():
    assert names.read_encoder(names.shuffled("minilm")) == ("minilm", "shuffled", "")
    assert names.read_encoder("org/model+large") == ("org/model+large", "", "")  # a plus of the name itself
    assert names.read_encoder("a+b+metadata") == ("a+b", "metadata", "")
    assert names.read_encoder("minilm+noise=0.1") == ("minilm+noise=0.1", "", "")  # a variant of data, not of texts
    assert names.read_dataset("toy+early=3") == ("toy+early=3", "", "")
    assert names.encoder_folder("sentence-transformers/all-mpnet-base-v2") == "sentence-transformers--all-mpnet-base-v2"


def test_metrics():
    assert names.metric_and_k("recall@20") == ("recall", 20)


def test_settings_are_added_to_those_that_are_there():
    written = names.with_settings("generative+patience=15", weight=0.5)
    assert names.read_alignment(written) == ("generative", "generative", {"patience": 15, "weight": 0.5})


def test_run_folders():
    assert names.run_folder("amazon", "org/model", "gccf", "base@base", 1) == "amazon/none/gccf/base/seed1"
    assert names.run_folder("amazon", "org/model", "gccf", "kar", 1) == "amazon/org--model/gccf/kar/seed1"
    assert names.is_matched("base@kar") and not names.is_matched("base+layers=1")


@pytest.mark.parametrize(
    "broken, sentence",
    [
        ("contrastive+weight=[", "weight is not valid YAML"),
        ("contrastive+weight=1,weight=2", "weight is changed twice"),
        ("contrastive+", "write changed settings as key=value"),
        ("contrastive+weight=1,", "write changed settings as key=value"),
    ],
)
def test_a_change_that_cannot_be_read_is_one_sentence(broken, sentence):
    with pytest.raises(UserError, match=sentence):
        names.read_alignment(broken)


def test_no_digit_of_a_setting_is_lost():
    assert names.with_settings("kar", weight=0.1234567) == "kar+weight=0.1234567"
    assert names.with_settings("kar", weight=0.1 * 3) == "kar+weight=0.3"
    assert names.with_noise("toy", 0.1234567) == "toy+noise=0.1234567"


@pytest.mark.parametrize("encoder", ["..", "", ".", "a/\n"])
def test_an_encoder_cannot_leave_the_run_folder(encoder):
    with pytest.raises(UserError, match="so it is no name of a encoder"):
        names.run_folder("amazon", encoder, "gccf", "kar", 1)
    assert names.run_folder("amazon", encoder, "gccf", "base", 1) == "amazon/none/gccf/base/seed1"


def test_names_that_no_file_system_takes_are_refused():
    with pytest.raises(UserError, match="has more than 200 bytes"):
        names.run_folder("amazon", "x" * 300, "gccf", "kar", 1)
    for alignment in ("kar+weight=../../x", "../x"):
        with pytest.raises(UserError, match="is no name of a alignment"):
            names.run_folder("amazon", "x", "gccf", alignment, 1)
