"""Language models are asked anything: a yes-or-no question goes through both writers and the recording."""

import json

import chat_server
import pytest
from fake_llm import SMOLLM2, Echo, TinyTokenizer, YesOrNo, pairs, tiny_model

from lib.language.llm import asking, local, recorded
from lib.language.llm.request_and_answer import Answer, Parser
from lib.language.profile_answers import ProfileParser

WORDS = ["maybe!", "yes!", "no!", "<end>", "?"]


@pytest.fixture
def tiny(monkeypatch):
    """A LocalWriter whose model writes the first of WORDS, and at the second try the first that is not unwanted."""
    tokenizer = TinyTokenizer(WORDS)
    monkeypatch.setattr(local, "load_tokenizer", lambda settings: tokenizer)
    monkeypatch.setattr(local, "load_model", lambda settings: tiny_model(len(WORDS)))
    decoding = SMOLLM2.decoding.model_copy(update={"max_new_tokens": 8, "batch_size": 2})
    return local.LocalWriter(SMOLLM2.model_copy(update={"decoding": decoding}))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sk-test")
    with chat_server.running(lambda number, body: chat_server.reply("Yes.")) as server:
        yield server


def test_a_local_model_answers_yes_or_no(tiny):
    asked = pairs(3)
    answers = sorted(tiny.write(asked, YesOrNo()), key=lambda answer: answer.index)
    assert answers == [request.answered("yes", "repaired") for request in asked]


def test_a_local_model_that_never_gets_it_right_leaves_the_fallback(tiny):
    class Stubborn(YesOrNo):
        unwanted = ()

    assert {(answer.text, answer.status) for answer in tiny.write(pairs(2), Stubborn())} == {("no", "fallback")}


def test_the_parser_says_where_a_local_answer_begins_and_ends(tiny):
    class Opened(YesOrNo):
        def begun(self, opening):
            return f"I say: {opening}"

    class Endless(YesOrNo):
        stop = "\t"

    assert tiny.continuations(pairs(1), Opened()) == ["maybe!"]
    assert tiny.tokenizer.seen[-1].endswith("Will user 0 like item 0? I say: ")
    assert tiny.continuations(pairs(1), Endless()) == [" ".join(["maybe!"] * 8)]


def test_an_endpoint_answers_yes_or_no(server):
    asked = pairs(3)
    answers = sorted(asking.open_writer(server.settings()).write(asked, YesOrNo()), key=lambda answer: answer.index)
    assert answers == [request.answered("yes", "ok") for request in asked]


def test_an_endpoint_is_told_what_the_parser_wants(server):
    replies = {2: chat_server.reply("Maybe!"), 4: chat_server.reply("No.")}
    server.answer = lambda number, body: replies[len(body["messages"])]
    (answer,) = asking.open_writer(server.settings()).write(pairs(1), YesOrNo())
    assert (answer.text, answer.status) == ("no", "repaired")
    complaint = "That cannot be used: this is neither yes nor no. Answer again with yes or no."
    assert server.requests[1]["messages"][3]["content"] == complaint


def test_answers_about_anything_are_recorded_under_their_keys(server, tmp_path):
    asked, settings = pairs(3), server.settings()
    about = asking.write([*asked, *asked], YesOrNo(), settings, tmp_path)
    assert about["answers"] == {"pair": {"ok": 3}}
    assert about["prompts"]["pair"]["user"] == "Will user 0 like item 0?" and about["prompts"]["version"] == 1
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [(line["index"], line["prompt_hash"], line["text"]) for line in lines] == [
        (request.index, request.key, "yes") for request in asked
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.jsonl", "writer.json"}
    assert recorded.read(tmp_path) == {request.key: request.answered("yes", "ok") for request in asked}
    more = pairs(4)
    assert asking.pending(more, settings, tmp_path) == more[3:]
    assert asking.pending(more, settings, tmp_path, live=True) == more
    rest = Echo()
    asking.write(more, YesOrNo(), settings, tmp_path, writer=rest)
    assert rest.asked == more[3:] and len(recorded.read(tmp_path)) == 4


def test_a_plain_line_is_the_parser_that_is_there_already():
    class Line(Parser):
        def parse(self, reply):
            return reply.strip()

    assert Line().completed("It is", " a film.\nAnd more") == ("It is a film.", False)
    assert "one line of text" in Line().complaint(ValueError("it is empty"))
    with pytest.raises(NotImplementedError):
        Parser().parse("x")


def test_the_profile_parser_opens_the_object_that_it_reads():
    parser, opening = ProfileParser(), 'It is "new" and déjà vu for all who know'
    assert parser.begun(opening) == '{"profile": "It is \\"new\\" and déjà vu for all who know'
    reply, cut = parser.completed(opening, ' the sea."} and')
    assert (parser.parse(reply), cut) == (f"{opening} the sea.", False)


def test_an_answer_is_about_what_was_asked():
    (request,) = pairs(1)
    assert request.unanswered() == Answer("pair", 0, request.key, "no", "fallback")
