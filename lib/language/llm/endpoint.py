"""Answers written by a model behind an OpenAI-compatible address; it needs openai, which is slow to import."""

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai
import tenacity

from lib.core.errors import UserError
from lib.language.llm.budget import Budget
from lib.language.llm.language_models import EndpointModel
from lib.language.llm.request_and_answer import Answer, Parser, Request

LONGEST_WAIT = 600  # seconds; whoever asks for more gets an error instead
BACKOFF = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=1)


class EndpointWriter:
    """Asks the endpoint that `settings` name, several requests at a time.

    Raises UserError without a key for it. `sleep` takes the seconds to wait before another try, `budget` is the most
    that its answers may cost, in US dollars.
    """

    def __init__(self, settings: EndpointModel, sleep=None, budget: float | None = None):
        self.settings, self.secret = settings, _secret(settings)
        self.budget = Budget(budget, settings) if budget is not None else None
        self.stopped = threading.Event()
        self.sleep = sleep or self.stopped.wait  # ends early when another request has failed for good
        # without the client's own retries, which would multiply with those of `_ask`
        self.client = openai.OpenAI(
            base_url=settings.base_url, api_key=self.secret, timeout=settings.timeout, max_retries=0
        )

    def write(self, requests: list[Request], parser: Parser) -> Iterator[Answer]:
        """Yield one Answer per request as they come in.

        Raises UserError when the endpoint refuses the key or stays busy, failing or silent, and when the budget is
        used up; after all answers that came before it.
        """
        self.stopped.clear()
        problem = None
        pool = ThreadPoolExecutor(self.settings.concurrency)
        futures = [pool.submit(self._answer, request, parser) for request in requests]
        try:
            for future in as_completed(futures):
                if future.cancelled():
                    continue
                try:
                    yield future.result()
                except UserError as error:
                    # the first problem is the cause, later ones only say that all was stopped; answers that still come
                    # in are yielded, since they are paid for
                    problem = problem or error
                    self._stop(futures)
        finally:
            # also where the caller stops reading: the threads would go on asking
            self._stop(futures)
            pool.shutdown(cancel_futures=True)
        if problem:
            raise problem

    def _stop(self, futures) -> None:
        self.stopped.set()
        for future in futures:
            future.cancel()

    def _answer(self, request: Request, parser: Parser) -> Answer:
        """Ask once, once more with the reason when the reply is unusable, then give up on it."""
        messages = request.messages
        for status in ("ok", "repaired"):
            reply = self._ask(messages)
            try:
                return request.answered(parser.parse(reply), status)
            except ValueError as reason:
                said = [{"role": "assistant", "content": reply}] if reply else []
                messages = [*request.messages, *said, {"role": "user", "content": parser.complaint(reason)}]
        return request.unanswered()

    def _ask(self, messages) -> str | None:
        """The text of the reply, None when something else comes; waits and tries again where that helps."""
        tries = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.settings.attempts),
            wait=_seconds,
            retry=tenacity.retry_if_exception(_passing),
            sleep=self.sleep,
            reraise=True,
        )
        reserved = self.budget.reserve(messages) if self.budget else 0
        try:
            content, usage = _read(tries(self._post, messages))
        except openai.OpenAIError as error:
            raise self._sentence(error) from None
        if self.budget:
            self.budget.settle(reserved, usage)
        return content

    def _post(self, messages) -> str:
        """The body of one HTTP reply; raises openai.OpenAIError when there is none."""
        if self.stopped.is_set():
            raise openai.OpenAIError("stopped")
        # the raw body, since a compatible endpoint may send what openai's own classes cannot hold
        return self.client.chat.completions.with_raw_response.create(
            model=self.settings.model,
            messages=messages,
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_tokens,
        ).text

    def _sentence(self, error: openai.OpenAIError) -> UserError:
        """What went wrong in a sentence that never holds the key."""
        where, variable = self.settings.base_url, self.settings.key_variable
        status = getattr(error, "status_code", None)
        if status in (401, 403):  # the endpoint's own words repeat parts of the key
            return UserError(f"{where} refused the key ({status}): put a valid one into the variable {variable}")
        kept = "the answers so far are kept, run the same command again to go on"
        if isinstance(error, openai.APITimeoutError):
            return UserError(f"{where} did not answer within {self.settings.timeout:g} seconds, {self._tried}: {kept}")
        if isinstance(error, openai.APIConnectionError):
            return UserError(f"cannot reach {where}, {self._tried}: check the address and the network; {kept}")
        said = " ".join(str(getattr(error, "message", error)).replace(self.secret, "…").split())[:200]
        if _no_credit(error):
            return UserError(f"the account at {where} has no credit left (429): top it up; {kept}")
        if (wait := _retry_after(error)) > LONGEST_WAIT:
            return UserError(f"{where} asks to wait {wait:.0f} seconds ({status}): {kept} then")
        if _passing(error):
            return UserError(f"{where} keeps answering {status}, {self._tried}: {kept}")
        return UserError(f"{where} refused the request ({status or 'error'}): {said}; {kept}")

    @property
    def _tried(self) -> str:
        return f"tried {self.settings.attempts} times"


def _secret(settings: EndpointModel) -> str:
    """The key from its environment variable; raises UserError when it is missing or cannot go into a header."""
    if settings.key_variable is None:
        return "no key needed"  # the client insists on one
    secret = os.environ.get(settings.key_variable, "").strip()
    if not (secret and secret.isascii() and secret.isprintable()):
        raise UserError(
            f"no usable key for {settings.base_url}: put one into the environment variable {settings.key_variable}"
        )
    return secret


def _read(body: str) -> tuple[str | None, dict | None]:
    """The text in the body of a chat completion and the tokens it counted; None for what is not there."""
    try:
        completion = json.loads(body)
        content = completion["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None, None
    return (content if isinstance(content, str) else None), completion.get("usage")


def _passing(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    if _no_credit(error) or _retry_after(error) > LONGEST_WAIT:
        return False
    # 408 is an endpoint's own timeout, for which openai has no class
    busy = openai.RateLimitError | openai.InternalServerError | openai.APIConnectionError  # includes timeouts
    return isinstance(error, busy) or getattr(error, "status_code", None) == 408


def _no_credit(error: BaseException) -> bool:
    # it comes as a 429 like a rate limit, but no waiting mends it
    return getattr(error, "code", None) == "insufficient_quota"


def _seconds(state: tenacity.RetryCallState) -> float:
    """What the endpoint asks for, else exponential backoff with jitter."""
    return _retry_after(state.outcome.exception()) or BACKOFF(state)


def _retry_after(error) -> float:
    """Seconds in the Retry-After header (a number or a date), 0 without one."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after", "") if response is not None else ""
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
