"""RepRec: the paper pipeline as a thin library.

Reading order is the data flow; a module imports only from those above it (tests/test_layers.py):

    files  status  code  progress  experiments
    datasets  profiles  text  variants    what goes in
    graph  dense  losses  backbones  alignment    the models
    params                            which model, with which settings
    ranking  step  training           fit and score
    statistics  semantics  cases  report_table    how sure we are, what the vectors mean
    plots  tables  provenance         what comes out
    reproduction                      how near that is to what others published
    seeds  studies  groups  costs     which differences hold, for whom, at what cost
    runs  recheck                     one folder per training run
    kernel  notebook  workflow  schema  site  doctor  cli    how it is driven
"""
