"""What asking a language model will take, told before anything is asked."""

from dataclasses import dataclass

from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Request

CHARACTERS_PER_TOKEN, TOKENS_PER_ANSWER, TOKENS_PER_MESSAGE = 4, 80, 4  # rules of thumb for English, two sentences


@dataclass(frozen=True)
class Estimate:
    """What asking will take: requests, tokens read and written, US dollars (None: unknown)."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None

    def __str__(self) -> str:
        cost = "unknown cost (no prices in its yaml)" if self.cost is None else f"about ${self.cost:.2f}"
        return f"{self.requests} requests, about {self.input_tokens} tokens in and {self.output_tokens} out, {cost}"


def estimate(requests: list[Request], settings: LocalModel | EndpointModel) -> Estimate:
    """Tokens and cost of `requests`; second tries of unusable answers are not counted."""
    per_request = 2 * TOKENS_PER_MESSAGE  # a system and a user message
    read = sum(-(-len(request.text) // CHARACTERS_PER_TOKEN) + per_request for request in requests)  # rounded up
    written = TOKENS_PER_ANSWER * len(requests)
    if settings.writer == "local":
        return Estimate(len(requests), read, written, 0.0)
    prices = settings.prices
    cost = None if prices is None else (read * prices.input + written * prices.output) / 1e6
    return Estimate(len(requests), read, written, cost)
