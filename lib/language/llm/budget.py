"""A limit on what asking an endpoint may cost, held before each request and not after it."""

import threading

from lib.core.errors import UserError
from lib.language.llm.language_models import EndpointModel

FRAME = 16  # tokens that an endpoint may put around a message


class Budget:
    """US dollars that the requests of one command may cost, by the prices in the model's yaml.

    A request is let through only if what has been spent, and the most that this and all requests under way may cost,
    stay within the limit; once it is answered, what the endpoint counted takes the place of that most. Requests that
    several threads make are counted together. Raises UserError for a model without prices.
    """

    def __init__(self, dollars: float, settings: EndpointModel):
        if settings.prices is None:
            raise UserError(f"{settings.name} has no prices, by which a budget is counted: add prices to its yaml")
        self.dollars, self.settings = dollars, settings
        self.taken = 0.0  # spent, or held for requests under way
        self.lock = threading.Lock()

    def reserve(self, messages: list[dict]) -> float:
        """Hold the most that a request may cost, and return it; raises UserError where too little is left."""
        # no token is shorter than a byte
        read = sum(len(message["content"].encode()) + FRAME for message in messages)
        most = self._cost(read, self.settings.max_tokens)
        with self.lock:
            if self.taken + most > self.dollars:
                raise UserError(
                    f"the budget of ${self.dollars:g} is used up (${self.taken:.4f} spent or under way): the answers "
                    "so far are kept, run the same command again to go on with a new budget"
                )
            self.taken += most
        return most

    def settle(self, reserved: float, usage: dict | None) -> None:
        """Put the tokens that the endpoint counted in place of a reservation, which stays where it counted none."""
        try:
            spent = self._cost(usage["prompt_tokens"], usage["completion_tokens"])
        except (TypeError, KeyError):
            return
        with self.lock:
            self.taken += spent - reserved

    def _cost(self, read: int, written: int) -> float:
        return (read * self.settings.prices.input + written * self.settings.prices.output) / 1e6
