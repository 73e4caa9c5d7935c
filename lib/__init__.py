"""RepRec: the paper pipeline as a thin library.

Reading order is the data flow; a module imports only from those above it (tests/test_layers.py):

    files  progress  experiments
    datasets  profiles  text          what goes in
    graph  losses  backbones  alignment    the models
    params                            which model, with which settings
    ranking  training                 fit and score
    semantics  statistics             what the vectors mean, how sure we are
    plots  tables  provenance         what comes out
    runs                              one folder per training run
    kernel  notebook  workflow  doctor  cli    how it is driven
"""
