"""lib/language/llm/endpoint.py against a server on the loopback that answers, refuses, stalls and talks nonsense."""

import json
import logging
import threading
import time
from email.utils import formatdate

import chat_server
import pytest
from chat_server import reply
from film_data import interactions

from lib.core.errors import UserError
from lib.data.dataset_settings import DatasetSettings
from lib.language import profiles, prompts
from lib.language.llm import asking, endpoint, estimate, language_models, recorded
from lib.language.llm.budget import Budget
from lib.language.profile_answers import ProfileParser

KEY = "sk-test-a-key-that-must-stay-secret"
GOOD = "A quiet film about two sisters who run a lighthouse. Fans of slow stories will enjoy it."


FINE = reply(json.dumps({"profile": GOOD}))
GARBAGE = reply("Sure! Which film do you mean?")


@pytest.fixture
def server():
    with chat_server.running(lambda number, body: FINE) as server:
        yield server


@pytest.fixture
def settings(server, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    return server.settings()


@pytest.fixture
def dataset():
    return DatasetSettings(name="toy-films", title="Toy", wording="films")


@pytest.fixture
def asked():
    return prompts.requests(interactions(), "films")[:6]


@pytest.fixture
def waits():
    return []


@pytest.fixture
def ask(settings, asked, waits):
    """Write all of `asked` (or another list) without really waiting."""

    def run(these=None, **change):
        chosen = settings.model_copy(update=change)
        writer = endpoint.EndpointWriter(chosen, sleep=waits.append)
        return list(writer.write(asked if these is None else these, ProfileParser()))

    return run


def test_every_prompt_gets_its_answer(ask, asked, server):
    answers = ask()
    assert {a.key for a in answers} == {p.key for p in asked}
    assert {(a.text, a.status) for a in answers} == {(GOOD, "ok")}
    sent = {(body["messages"][0]["content"], body["messages"][1]["content"]) for body in server.requests}
    assert sent == {(p.system, p.user) for p in asked}
    assert server.requests[0]["model"] == "toy-1" and server.requests[0]["temperature"] == 0
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_no_more_requests_at_a_time_than_allowed(ask, server):
    running, most, lock = [0], [0], threading.Lock()

    def answer(number, body):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return FINE

    server.answer = answer
    ask(concurrency=2)
    assert most[0] == 2


def test_a_refused_key_stops_at_once(ask, server, waits):
    server.answer = lambda number, body: (
        401,
        {},
        json.dumps({"error": {"message": f"Incorrect API key {KEY[:9]}***"}}),
    )
    with pytest.raises(UserError, match="refused the key \\(401\\).*TEST_KEY") as caught:
        ask(concurrency=1)
    assert len(server.requests) <= 2 and waits == []
    assert KEY[:9] not in str(caught.value)


def test_no_key_at_all(settings, server, monkeypatch):
    for unusable in ("", "  ", "sk-\u2026", "sk-a\nb"):
        monkeypatch.setenv("TEST_KEY", unusable)
        with pytest.raises(UserError, match="environment variable TEST_KEY"):
            endpoint.EndpointWriter(settings)
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(UserError, match="environment variable TEST_KEY"):
        endpoint.EndpointWriter(settings)
    endpoint.EndpointWriter(server.settings(key_variable=None))  # of a server that needs none


def test_429_waits_as_long_as_the_server_asks(ask, asked, server, waits):
    server.answer = lambda number, body: (429, {"Retry-After": "7"}, "{}") if number == 1 else FINE
    assert len(ask()) == len(asked)
    assert waits == [7.0]


def test_retry_after_may_be_a_date(ask, asked, server, waits):
    server.answer = lambda n, body: (
        (429, {"Retry-After": formatdate(time.time() + 20, usegmt=True)}, "{}") if n == 1 else FINE
    )
    ask()
    assert 15 < waits[0] <= 20


def test_a_wait_of_hours_is_an_error(ask, server, waits):
    server.answer = lambda number, body: (429, {"Retry-After": "7200"}, "{}")
    with pytest.raises(UserError, match="asks to wait 7200 seconds"):
        ask()
    assert waits == []


def test_429_for_an_empty_account_is_not_tried_again(ask, server, waits):
    error = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    server.answer = lambda number, body: (429, {}, json.dumps(error))
    with pytest.raises(UserError, match="no credit left"):
        ask()
    assert waits == []


def test_500_three_times_then_success(ask, asked, server, waits):
    server.answer = lambda number, body: (500, {}, "oops") if number <= 3 else FINE
    answers = ask(asked[:1])
    assert [a.status for a in answers] == ["ok"]
    assert len(server.requests) == 4 and len(waits) == 3
    assert all(
        0 < a < b for a, b in zip(waits, [2.01, 3.01, 5.01], strict=True)
    )  # 1, 2, 4 seconds and up to 1 of jitter
    assert waits[1] >= 2 and waits[2] >= 4


def test_500_forever_is_one_sentence_and_keeps_what_came(settings, asked, server, waits):
    good = {p.user for p in asked[:3]}
    server.answer = lambda number, body: FINE if body["messages"][1]["content"] in good else (500, {}, "oops")
    came = []
    with pytest.raises(UserError, match="keeps answering 500, tried 4 times.*are kept"):
        came.extend(endpoint.EndpointWriter(settings, sleep=waits.append).write(asked, ProfileParser()))
    assert {a.key for a in came} == {p.key for p in asked[:3]}


def test_garbage_twice_is_a_fallback(ask, asked, server):
    server.answer = lambda number, body: GARBAGE
    answers = ask()
    assert {(a.key, a.text, a.status) for a in answers} == {(p.key, p.fallback, "fallback") for p in asked}
    assert len(server.requests) == 2 * len(asked)


@pytest.mark.parametrize(
    "body", ["<html>busy</html>", "", "[]", '{"choices": []}', '{"choices": [{"message": {}}]}', "{"]
)
def test_a_body_that_is_no_completion_is_garbage(ask, asked, server, body):
    server.answer = lambda number, _: (
        200,
        {"Content-Type": "text/html" if body[:1] == "<" else "application/json"},
        body,
    )
    assert [a.status for a in ask(asked[:1])] == ["fallback"]


def test_garbage_then_a_good_answer_is_repaired(ask, asked, server):
    server.answer = lambda number, body: FINE if len(body["messages"]) == 4 else GARBAGE
    assert {a.status for a in ask()} == {"repaired"}
    repair = next(body["messages"] for body in server.requests if len(body["messages"]) == 4)
    assert repair[2] == {"role": "assistant", "content": "Sure! Which film do you mean?"}
    assert "not a JSON object" in repair[3]["content"]


def test_silence_is_one_sentence(ask, asked, server, waits):
    server.answer = lambda number, body: time.sleep(0.3) or FINE
    with pytest.raises(UserError, match="did not answer within 0.05 seconds, tried 2 times"):
        ask(asked[:1], timeout=0.05, attempts=2)
    assert len(waits) == 1


def test_nobody_there(ask, asked, waits):
    with pytest.raises(UserError, match="cannot reach http://127.0.0.1:9/v1"):
        ask(asked[:1], base_url="http://127.0.0.1:9/v1", attempts=2)


def test_another_refusal_repeats_the_reason_without_the_key(ask, asked, server, waits):
    server.answer = lambda n, body: (404, {}, json.dumps({"error": {"message": f"no model toy-1 for {KEY}"}}))
    with pytest.raises(UserError, match="refused the request \\(404\\).*no model toy-1") as caught:
        ask(asked[:1])
    assert KEY not in str(caught.value) and waits == []


def test_a_crash_loses_nothing_and_only_the_rest_is_asked_again(dataset, settings, server, tmp_path, waits):
    data = interactions()
    total = len({p.key for p in prompts.requests(data, "films")})
    server.answer = lambda number, body: FINE if number <= 4 else (500, {}, "oops")
    with pytest.raises(UserError, match="are kept"):
        profiles.recording(data, dataset, settings, tmp_path).write(
            writer=endpoint.EndpointWriter(settings, sleep=waits.append)
        )
    (unfinished,) = (tmp_path / "recorded" / data.name / "toy").iterdir()
    assert len(recorded.read(unfinished)) == 4
    with open(unfinished / "items.jsonl", "a") as file:  # the power went off in the middle of a line
        file.write('{"index": 1, "prompt_ha')
    server.requests.clear()
    server.answer = lambda number, body: FINE
    about = profiles.recording(data, dataset, settings, tmp_path).write()
    assert len(server.requests) == total - 4
    assert sum(sum(counts.values()) for counts in about["answers"].values()) == total
    assert not unfinished.exists()
    server.requests.clear()
    assert profiles.recording(data, dataset, settings, tmp_path).write() == about and server.requests == []


def test_live_asks_for_all_again_and_keeps_the_old_recording_until_it_is_done(
    dataset, settings, server, tmp_path, waits
):
    data = interactions()
    profiles.recording(data, dataset, settings, tmp_path).write()
    total = len(server.requests)
    other = GOOD.replace("sisters", "brothers")
    broken = lambda n, body: reply(json.dumps({"profile": other})) if n <= total + 3 else (500, {}, "")  # noqa: E731
    server.answer = broken
    with pytest.raises(UserError):
        profiles.recording(data, dataset, settings, tmp_path).write(
            live=True, writer=endpoint.EndpointWriter(settings, waits.append)
        )
    where = profiles.folder(data.name, "toy", tmp_path)
    assert {a.text for a in recorded.read(where).values()} == {GOOD}
    server.requests.clear()
    server.answer = lambda n, body: reply(json.dumps({"profile": other}))
    profiles.recording(data, dataset, settings, tmp_path).write(live=True)
    assert len(server.requests) == total - 3
    assert {a.text for a in recorded.read(where).values()} == {other}


def test_the_key_is_in_no_file_and_no_log(dataset, settings, server, tmp_path, caplog, capfd, waits):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda number, body: (429, {"Retry-After": "1"}, "{}") if number % 5 == 0 else FINE
    profiles.recording(interactions(), dataset, settings, tmp_path).write(
        writer=endpoint.EndpointWriter(settings, waits.append)
    )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"items.jsonl", "users.jsonl", "writer.json"}
    printed = capfd.readouterr()
    written = [path.read_text() for path in files] + [caplog.text, printed.out, printed.err]
    assert not any(KEY in text or KEY[:12] in text for text in written)


# What it may cost


PRICES = {"input": 1000.0, "output": 100_000.0}  # so dear that a few requests are a few dollars


def counted(read: int, written: int):
    """FINE, with the tokens that it took."""
    status, headers, body = FINE
    return (
        status,
        headers,
        json.dumps(json.loads(body) | {"usage": dict(prompt_tokens=read, completion_tokens=written)}),
    )


@pytest.mark.parametrize("budget", [0, 30, 100, 1e6])
@pytest.mark.parametrize("tokens", [(100, 10), (400, 160)])
def test_no_more_is_spent_than_the_budget(settings, server, budget, tokens):
    """What the endpoint itself counted is added up here, whatever the writer thinks."""
    server.answer = lambda number, body: counted(*tokens)
    priced = server.settings(prices=PRICES, concurrency=4)
    asked = prompts.requests(interactions(), "films") * 3
    writer, answers, problem = endpoint.EndpointWriter(priced, budget=budget), [], ""
    try:
        answers.extend(writer.write(asked, ProfileParser()))
    except UserError as error:
        problem = str(error)
    cost = (tokens[0] * PRICES["input"] + tokens[1] * PRICES["output"]) / 1e6
    spent = cost * len(server.requests)
    most = (2000 * PRICES["input"] + priced.max_tokens * PRICES["output"]) / 1e6  # of one request, generously
    assert spent <= budget
    if budget == 1e6:
        assert not problem and len(server.requests) == len(asked)
    else:
        assert f"the budget of ${budget:g} is used up" in problem and "\n" not in problem
        assert spent > budget - 4 * most - cost  # stops late, not at the first doubt: four requests are under way


def test_answers_before_the_budget_was_used_up_are_kept(dataset, settings, server, tmp_path):
    server.answer = lambda number, body: counted(400, 160)
    data, priced = interactions(), server.settings(prices=PRICES)
    total = len(asking.once(prompts.requests(data, "films")))
    with pytest.raises(UserError, match="go on with a new budget"):
        profiles.recording(data, dataset, priced, tmp_path).write(writer=endpoint.EndpointWriter(priced, budget=60))
    first = len(server.requests)
    assert 0 < first < total
    profiles.recording(data, dataset, priced, tmp_path).write(writer=endpoint.EndpointWriter(priced, budget=1e6))
    assert len(server.requests) == total


def test_a_reply_without_counted_tokens_costs_the_most(settings, server, asked):
    priced = server.settings(prices=PRICES, concurrency=1)
    reserved = sum(Budget(1e6, priced).reserve(request.messages) for request in asked)
    for budget, enough in ((reserved * 1.01, True), (reserved * 0.99, False)):
        writer = endpoint.EndpointWriter(priced, budget=budget)
        if enough:
            assert len(list(writer.write(asked, ProfileParser()))) == len(asked)
        else:
            with pytest.raises(UserError, match="budget"):
                list(writer.write(asked, ProfileParser()))


def test_a_budget_needs_prices(settings):
    with pytest.raises(UserError, match="has no prices.*add prices to its yaml"):
        endpoint.EndpointWriter(settings, budget=1)


def test_estimate(settings, asked):
    bare = estimate.estimate(asked, settings)
    assert bare.cost is None and "unknown cost" in str(bare)
    priced = estimate.estimate(
        asked, settings.model_copy(update={"prices": language_models.Prices(input=1000, output=0)})
    )
    assert priced.cost == pytest.approx(priced.input_tokens / 1000)
    assert sum(len(p.text) for p in asked) / 4 <= priced.input_tokens <= sum(len(p.text) for p in asked) / 3
