"""All that a tuning needs to go on after a kill as if nothing had happened."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lib.core.files import atomic_path


@dataclass
class State:
    """How far a tuning is; random numbers are drawn anew from seed and step, so none of their state is kept.

    `history` has a row for every step and every validation, `best` the adapter's matrices at the lowest validation
    loss `lowest`, which was that after step `best_step`.
    """

    step: int = 0
    lowest: float = float("inf")
    best_step: int = 0
    misses: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    def validated(self, loss: float, auc: float, matrices: dict[str, Tensor]) -> None:
        """Note a validation after the current step, and keep the adapter when none was better."""
        self.history[-1] |= {"validation_loss": loss, "validation_auc": auc}
        if loss < self.lowest:
            self.lowest, self.best_step, self.misses, self.best = loss, self.step, 0, matrices
        else:
            self.misses += 1

    def save(self, path: Path, parameters: list[Tensor], optimizer) -> None:
        """Write it with the adapter's parameters and the optimizer's moments, atomically."""
        tensors = {f"best/{name}": value for name, value in self.best.items()}
        for index, parameter in enumerate(parameters):
            tensors[f"now/{index}"] = parameter.detach().clone()
            own = optimizer.state.get(parameter, {})
            tensors |= {f"{name}/{index}": value.clone() for name, value in own.items()}
        content = {name: value for name, value in asdict(self).items() if name != "best"}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata={"state": json.dumps(content)})


def load(path: Path, parameters: list[Tensor], optimizer) -> State:
    """What `save` wrote, put into parameters and optimizer too; a new state where there is nothing."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
            content = json.loads(file.metadata()["state"])
    except (FileNotFoundError, SafetensorError):
        return State()
    moments = {"step", "exp_avg", "exp_avg_sq"}
    for index, parameter in enumerate(parameters):
        with torch.no_grad():
            parameter.copy_(tensors[f"now/{index}"])
        own = {name: tensors[f"{name}/{index}"] for name in moments if f"{name}/{index}" in tensors}
        # the optimizer counts its steps on the processor, wherever the parameters are
        optimizer.state[parameter] = {n: v if n == "step" else v.to(parameter.device) for n, v in own.items()}
    best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
    return State(**content, best=best)
