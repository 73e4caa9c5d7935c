"""Progress of long work, as a log or a notebook shows it."""

from lib.core.progress import Progress


def test_progress_is_plain_lines_and_tqdms_own_switch_silences_it(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with Progress(3, "reading", unit="rows", every=0) as progress:
        progress.skip(1)
        progress.update(note="loss 0.5")
    printed = capsys.readouterr()
    assert not printed.out, "a piped result stays free of progress"
    assert printed.err.startswith("reading 2/3 rows, ") and printed.err.endswith(" left loss 0.5\n")

    monkeypatch.setenv("TQDM_DISABLE", "1")
    with Progress(2, "reading", every=0) as progress:
        progress.update()
    assert capsys.readouterr().err == ""
