"""What all tests share: no network but loopback, and a reason to skip where data or weights are absent."""

import ipaddress
import os
import socket
import threading

import hypothesis
import pytest
from http_server import Server

from lib.core.files import ROOT
from lib.data import transfer

# what a test with this marker needs, and why it is skipped otherwise
NEEDS = {
    "benchmark_data": (ROOT.parent / "shared" / "data", "the published splits are not in ../shared/data"),
    "live": (ROOT / "data" / "weights" / "smollm2", "the language model is not here: python -m lib fetch smollm2"),
}

# the same tries every time, on a machine that may be busy; HYPOTHESIS_PROFILE=long for many more that nobody has seen
LATE = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("usual", deadline=None, derandomize=True, suppress_health_check=LATE)
hypothesis.settings.register_profile("long", deadline=None, max_examples=1000, suppress_health_check=LATE)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


def pytest_collection_modifyitems(items):
    """Skip the tests whose needs are not met."""
    for item in items:
        for marker, (folder, reason) in NEEDS.items():
            if item.get_closest_marker(marker) and not folder.is_dir():
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    """Refuse every connection to another machine."""
    connect = socket.socket.connect

    def checked(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            raise OSError(f"tests have no network, not even {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture
def place(tmp_path):
    """A folder with the params and data of a small dataset, for runs of its own."""
    from run_places import folders  # not above: it imports torch, and most tests do without

    return folders(tmp_path)


@pytest.fixture
def server(monkeypatch):
    """A server that breaks off, lies and fails on request; whoever downloads from it does not pause between tries."""
    monkeypatch.setattr(transfer, "PAUSE", 0)
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
