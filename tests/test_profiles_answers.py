"""Which answers pass."""

import json

import pytest

from lib.language.profile_answers import ProfileParser, check, whole_sentences

GOOD = "A quiet drama about two sisters who run a lighthouse. Fans of slow stories will enjoy it."


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"profile": GOOD}),
        f"```json\n{json.dumps({'profile': GOOD}, indent=1)}\n```",
        f"Here it is: {json.dumps({'profile': GOOD})} Anything else?",
        json.dumps({"profile": GOOD.replace(" ", "\n ")}),
        json.dumps({"profile": GOOD, "reasoning": "because"}),
        json.dumps({"profile": GOOD})[:-2].replace("lighthouse", "light\nhouse").replace("light\nhouse", "lighthouse")
        + '"}',
    ],
)
def test_good_answers(reply):
    assert ProfileParser().parse(reply) == GOOD


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (None, "not a JSON object"),
        ("", "not a JSON object"),
        (GOOD, "not a JSON object"),
        ('{"profile": "A quiet drama', "broken"),
        ('{"profile": ["a"]}', "no text"),
        (json.dumps({"summary": GOOD}), "no text"),
        ('{"profile": ""}', "0 words"),
        ('{"profile": "A film."}', "2 words"),
        (json.dumps({"profile": " ".join(f"word{i}" for i in range(101))}), "101 words"),
        (json.dumps({"profile": "horror, action, comedy, " * 6}), "repeats"),
        (json.dumps({"profile": "A film about a hero who is a hero who is a hero who is a hero."}), "repeats"),
        (
            json.dumps({"profile": f"{'A film about the sea. ' * 3}" + "And nothing else was ever made by them"}),
            "repeats",
        ),
        (
            json.dumps({"profile": "As an AI language model, there is nothing to say about a film like this."}),
            "instructions",
        ),
        (json.dumps({"profile": "In two sentences, this film is about a man and a boat on the sea."}), "instructions"),
        (
            json.dumps({"profile": "They like stories about war, which is a genre that I'm passionate about."}),
            "first person",
        ),
        (json.dumps({"profile": "These are both genres that I am very fond of, as many people know."}), "first person"),
    ],
)
def test_unusable_answers_say_why(reply, reason):
    with pytest.raises(ValueError, match=reason):
        ProfileParser().parse(reply)


def test_titles_in_the_first_person_pass():
    text = "My Life as a Dog, I'm Not Rappaport and I Shot Andy Warhol are films about growing up in strange places."
    assert check(text) == text


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One is here. Two is the", "One is here."),
        ("One is here. Two is there!", "One is here. Two is there!"),
        ("It stars Mrs. Doubtfire and", ""),
        ("Nothing ends", ""),
        ("A price of 3.5 and more", ""),
    ],
)
def test_cutting_to_whole_sentences(text, cut):
    assert whole_sentences(text) == cut


def test_a_cut_keeps_more_than_the_given_opening():
    assert whole_sentences("Given. More that", after=len("Given.")) == ""
    assert whole_sentences("Given. More. That", after=len("Given.")) == "Given. More."


@pytest.mark.parametrize(
    "reply",
    [
        '{"profile": ' + "[" * 100_000,
        '{"profile": ' + "9" * 5000 + "}",
        '{"profile": "\\ud800 a b c d e f g h i"}',
    ],
)
def test_replies_that_break_a_parser_or_a_file_have_a_reason(reply):
    with pytest.raises(ValueError, match="nested too deeply|digits|no text"):
        ProfileParser().parse(reply)
