"""lib/profiles/endpoint.py against a server on the loopback that answers, refuses, stalls and talks nonsense."""

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from test_profiles_prompts import interactions

from lib import profiles
from lib.files import UserError
from lib.profiles import endpoint, models, prompts, recorded

KEY = "sk-test-a-key-that-must-stay-secret"
GOOD = "A quiet film about two sisters who run a lighthouse. Fans of slow stories will enjoy it."


def reply(text):
    """A chat completion that says `text`."""
    message = {"role": "assistant", "content": text}
    return 200, {}, json.dumps({"choices": [{"index": 0, "message": message}]})


FINE = reply(json.dumps({"profile": GOOD}))
GARBAGE = reply("Sure! Which film do you mean?")


@pytest.fixture
def server():
    """`script(function of the request's number and body)` says what comes back; `requests` are the bodies seen."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        requests, headers, answer = [], [], staticmethod(lambda number, body: FINE)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                self.server.requests.append(body)
                self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
                number = len(self.server.requests)
            status, headers, content = self.server.answer(number, body)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_):
            pass

    lock = threading.Lock()
    running = Server(("127.0.0.1", 0), Handler)
    running.requests, running.headers = [], []
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def settings(server, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    return models.EndpointModel(
        name="toy",
        writer="endpoint",
        base_url=f"http://127.0.0.1:{server.server_port}/v1",
        model="toy-1",
        key_variable="TEST_KEY",
        concurrency=2,
        attempts=4,
    )


@pytest.fixture
def asked():
    return prompts.questions(interactions())[:6]


@pytest.fixture
def waits():
    return []


@pytest.fixture
def ask(settings, asked, waits):
    """Write all of `asked` (or another list) without really waiting."""

    def run(these=None, **change):
        chosen = settings.model_copy(update=change)
        return list(endpoint.EndpointWriter(chosen, sleep=waits.append).write(asked if these is None else these))

    return run


def test_every_prompt_gets_its_answer(ask, asked, server):
    answers = ask()
    assert {a.prompt_hash for a in answers} == {p.prompt_hash for p in asked}
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


def test_no_key_at_all(settings, monkeypatch):
    for unusable in ("", "  ", "sk-\u2026", "sk-a\nb"):
        monkeypatch.setenv("TEST_KEY", unusable)
        with pytest.raises(UserError, match="environment variable TEST_KEY"):
            endpoint.EndpointWriter(settings)
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(UserError, match="environment variable TEST_KEY"):
        endpoint.EndpointWriter(settings)
    endpoint.EndpointWriter(settings.model_copy(update={"key_variable": None}))


def test_429_waits_as_long_as_the_server_asks(ask, asked, server, waits):
    server.answer = lambda number, body: (429, {"Retry-After": "7"}, "{}") if number == 1 else FINE
    assert len(ask()) == len(asked)
    assert waits == [7.0]


def test_retry_after_may_be_a_date(ask, asked, server, waits):
    from email.utils import formatdate

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
        came.extend(endpoint.EndpointWriter(settings, sleep=waits.append).write(asked))
    assert {a.prompt_hash for a in came} == {p.prompt_hash for p in asked[:3]}


def test_garbage_twice_is_a_fallback(ask, asked, server):
    server.answer = lambda number, body: GARBAGE
    answers = ask()
    assert {(a.prompt_hash, a.text, a.status) for a in answers} == {
        (p.prompt_hash, p.fallback, "fallback") for p in asked
    }
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


def test_a_crash_loses_nothing_and_only_the_rest_is_asked_again(settings, server, tmp_path, waits):
    data = interactions()
    total = len({p.prompt_hash for p in prompts.questions(data)})
    server.answer = lambda number, body: FINE if number <= 4 else (500, {}, "oops")
    with pytest.raises(UserError, match="are kept"):
        profiles.write(data, settings, tmp_path, writer=endpoint.EndpointWriter(settings, sleep=waits.append))
    (unfinished,) = (tmp_path / "recorded" / data.name / "toy").iterdir()
    assert len(recorded.read(unfinished)) == 4
    with open(unfinished / "items.jsonl", "a") as file:  # the power went off in the middle of a line
        file.write('{"index": 1, "prompt_ha')
    server.requests.clear()
    server.answer = lambda number, body: FINE
    about = profiles.write(data, settings, tmp_path)
    assert len(server.requests) == total - 4
    assert sum(sum(counts.values()) for counts in about["answers"].values()) == total
    assert not unfinished.exists()
    server.requests.clear()
    assert profiles.write(data, settings, tmp_path) == about and server.requests == []


def test_live_asks_for_all_again_and_keeps_the_old_recording_until_it_is_done(settings, server, tmp_path, waits):
    data = interactions()
    profiles.write(data, settings, tmp_path)
    total = len(server.requests)
    other = GOOD.replace("sisters", "brothers")
    broken = lambda n, body: reply(json.dumps({"profile": other})) if n <= total + 3 else (500, {}, "")  # noqa: E731
    server.answer = broken
    with pytest.raises(UserError):
        profiles.write(data, settings, tmp_path, live=True, writer=endpoint.EndpointWriter(settings, waits.append))
    where = profiles.folder(data.name, "toy", tmp_path)
    assert {a.text for a in recorded.read(where).values()} == {GOOD}
    server.requests.clear()
    server.answer = lambda n, body: reply(json.dumps({"profile": other}))
    profiles.write(data, settings, tmp_path, live=True)
    assert len(server.requests) == total - 3
    assert {a.text for a in recorded.read(where).values()} == {other}


def test_the_key_is_in_no_file_and_no_log(settings, server, tmp_path, caplog, capfd, waits):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda number, body: (429, {"Retry-After": "1"}, "{}") if number % 5 == 0 else FINE
    profiles.write(interactions(), settings, tmp_path, writer=endpoint.EndpointWriter(settings, waits.append))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"items.jsonl", "users.jsonl", "writer.json"}
    printed = capfd.readouterr()
    written = [path.read_text() for path in files] + [caplog.text, printed.out, printed.err]
    assert not any(KEY in text or KEY[:12] in text for text in written)


def test_estimate(settings, asked):
    bare = profiles.estimate(asked, settings)
    assert bare.cost is None and "unknown cost" in str(bare)
    priced = profiles.estimate(asked, settings.model_copy(update={"prices": models.Prices(input=1000, output=0)}))
    assert priced.cost == pytest.approx(priced.input_tokens / 1000)
    assert sum(len(p.text) for p in asked) / 4 <= priced.input_tokens <= sum(len(p.text) for p in asked) / 3
