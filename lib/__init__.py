"""RepRec: papers as one pipeline, in rooms named by what happens in them.

The reading order is the data flow; a room imports only from those above it (tests/test_rooms.py):

    core         files, errors, checked settings, progress, names of cells, fingerprints of code
    data         what goes in: sources and readers, splits, variants with noise or of one period
    language     language models, the profiles they write, and texts as vectors
    models       the graph, losses, backbones and alignments
    evaluation   ranking and its metrics, intervals and tests, and every rule behind a verdict
    training     settings of a run, sampling, the step, early stopping, what a run leaves behind
    analysis     what the vectors mean, for whom alignment helps, at what cost
    results      tables, figures, the record of where each comes from, the index
    workflow     cells computed once, notebooks executed, which paper makes what, what would run now
    papers       what only one paper does: rlmrec, rallrec, report
    cli          python -m lib
"""
