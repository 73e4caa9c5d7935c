"""The guide to a language model of one's own, followed in a copy of the repository with a server on the loopback."""

import json
import random

import chat_server
import pytest
import tiny_language_model
from guides import blocks, commands, copied, follow, run, write_settings
from planted_ratings import made

from lib.language.llm import language_models

GUIDE = "your_own_language_model.md"
KEY = "sk-test-a-key-that-must-stay-secret"
PROFILE = "A quiet film about {} and {} in a lighthouse. Fans of {} stories will enjoy it."
WORDS = ["sisters", "pirates", "doctors", "thieves", "horses", "ghosts", "farmers", "soldiers", "singers", "sailors"]
LINES = {
    "Appeal": ("Appeal: slow stories, the sea", "Audience: patient people", "Not for: hasty people"),
    "Interests": ("Interests: slow stories, the sea", "Identities: patient people", "Avoids: noise"),
}
SAMPLES = "samples: {liked_above: 3, scale: [1, 5], min_history: 2}\n"
TEXTS = """
from lib.data import datasets
from lib.language import profiles
print(*profiles.load(datasets.load("mine"), datasets.settings("mine")).text.unique())
"""


def answered(number, body):
    """In the form that is asked for: labelled lines, a plain description, or JSON."""
    said = " ".join(message["content"] for message in body["messages"])
    profile = PROFILE.format(*random.Random(said).sample(WORDS, 3))
    for label, lines in LINES.items():
        if f"{label}:" in said or f"{label}," in said:
            return chat_server.reply("\n".join([f"Summary: {profile.partition('. ')[0]}.", *lines]))
    return chat_server.reply(profile if "Write only the description" in said else json.dumps({"profile": profile}))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy with a rated and dated dataset `mine` without texts, the local model and the guide's settings."""
    place = tmp_path_factory.mktemp("place")
    (place / "repository").mkdir()
    root = copied(place / "repository", "lib", "params")
    events, items, _ = made(n_users=40, n_items=30, ratings_per_user=12)
    events.rename(columns={"time": "timestamp"}).to_csv(place / "interactions.csv", index=False)
    items.assign(item=items.key)[["item", "title"]].to_csv(place / "items.csv", index=False)
    (root / "data/weights").mkdir(parents=True)
    tiny_language_model.save(root / "data/weights/small-lm", context=2048)
    follow(root, [f"new mine {place}/interactions.csv --items {place}/items.csv"])
    with (root / "params/mine/dataset.yaml").open("a") as file:
        file.write(SAMPLES)
    write_settings(root, blocks(GUIDE, "yaml"))
    (tfidf,) = (block for block in blocks("your_own_encoder.md", "yaml") if "tfidf" in block)
    write_settings(root, [tfidf.replace("dimensions: 16", "dimensions: 4")])  # these texts have few words
    settings = root / "params/papers/pte.yaml"
    settings.write_text(settings.read_text().replace("encoder: minilm", "encoder: tfidf-16"))  # needs no weights
    return root


@pytest.fixture(scope="module")
def server(root):
    """What the guide's address is here."""
    with chat_server.running(answered) as server:
        path = root / "params/language_models/my-endpoint.yaml"
        path.write_text(path.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{server.server_port}"))
        yield server


def test_every_file_of_the_guide_is_accepted(root):
    found = {path.stem: language_models.load(path.stem, root / "params") for path in root.glob("params/language_*/*")}
    assert found["small-gguf"].gguf_file and found["my-endpoint"].prices.output == 0.6
    assert found["small-lm"].decoding.batch_size == 24


def test_profiles_are_estimated_written_and_found_again(root, server):
    estimate, paid, local = commands(blocks(GUIDE, "sh")[0])
    said = follow(root, [estimate, paid], status=2)
    assert "70 requests" in said and "about $0.0" in said and not server.requests
    assert "no usable key for http://127.0.0.1" in said and "MY_KEY" in said
    said = follow(root, [paid, paid, local], MY_KEY=KEY)
    assert "user: 40 ok" in said and "item: 30 ok" in said
    assert "all answers of my-endpoint are recorded" in said and len(server.requests) == 70
    assert {header["authorization"] for header in server.headers} == {f"Bearer {KEY}"}
    folder = root / "data/recorded/mine/my-endpoint"
    assert {path.name for path in folder.iterdir()} == {"users.jsonl", "items.jsonl", "writer.json"}
    assert not any(KEY in path.read_text() for path in root.rglob("data/recorded/**/*.json*"))
    assert (root / "data/recorded/mine/small-lm/writer.json").is_file()
    with (root / "params/mine/dataset.yaml").open("a") as file:
        file.write("language_model: my-endpoint\n")
    assert PROFILE.partition("{")[0] in run(root, "-c", TEXTS)
    said = follow(root, [f"{paid} --live".replace("--budget 1", "--budget 0.00001")], status=2, MY_KEY=KEY)
    assert "the budget of $1e-05 is used up" in said and len(server.requests) == 70


def test_commands_of_the_other_papers(root, server):
    before = len(server.requests)
    described, describe, estimate, candidates, answers = commands(blocks(GUIDE, "sh")[1])
    said = follow(root, [described, estimate])
    assert "30 requests" in said and len(server.requests) == before
    refused = answers.replace("small-lm", "my-endpoint")
    said = follow(root, [describe, candidates, answers, refused], status=2, MY_KEY=KEY)
    assert "item: 30 ok" in said and "tokens to learn from" in said and len(server.requests) > before + 30
    recorded = root / "data/recorded/mine"
    assert (recorded / "rallrec/my-endpoint/items.jsonl").is_file()
    assert (recorded / "pte/tiny/my-endpoint/profiles.parquet").is_file()
    assert said.count("error: ") == 1 and "runs behind an endpoint, which shows no inside" in said
