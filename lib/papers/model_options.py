"""The options of commands that ask a language model: profiles, answers, candidates and policy."""

from collections.abc import Callable


def add(command: str, add: Callable) -> None:
    """Declare the options of `command` by `add`, which is argparse's add_argument."""
    add("dataset")
    add("--model", help="a file of params/language_models; default: the dataset's own")
    add("--live", action="store_true", help="ask again what is recorded already")
    add("--threads", type=int, help="processor cores for a local model")
    add("--estimate", dest="only_estimate", action="store_true", help="only say how much there is to do")
    if command != "profiles":
        add("--scale", default="quick", help="tiny, quick or paper; default: quick")
    if command in ("profiles", "candidates"):
        add("--budget", type=float, metavar="DOLLARS", help="most that an endpoint may cost, by prices in its yaml")
    if command == "profiles":
        add("--paper", default="rlmrec", choices=["rlmrec", "rallrec"], help="rallrec: descriptions of items")
    if command == "answers":
        add("--descriptions", metavar="MODEL", help="that wrote them; none: titles alone; default: the dataset's")
        add("--encoder", default="minilm", help="of the texts by which items are retrieved; default: minilm")
        add("--only", nargs="+", metavar="ADAPTER", help="such as mixed, rella, untuned; default: all")
    if command == "candidates":
        add("--limit-users", type=int, metavar="N", help="take so many users only, recorded in a folder of their own")
    if command == "policy":
        add("--side", choices=["user", "item"], default="user", help="whose profiles it learns to write; default: user")
        add("--steps", type=int, help="updates; default: those of params/papers/pte.yaml")
