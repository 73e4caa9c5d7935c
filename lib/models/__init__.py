"""What is trained: graph recommenders, and ways to align their vectors with text.

Modules, in the order in which they are best read:
    batch           what one training step reads, and how repeated rows of it are merged
    graph_engine    which library sums over neighbours on this machine, DGL or torch
    graph           the user-item graph and the products with its adjacency that all backbones are made of
    linear          matrix products and the linear layer, fast on any processor
    log_partition   log sum exp over many candidates without keeping the logits
    losses          BPR, the squared norm, and InfoNCE: in plain form, and fast
    symmetric_info_nce  InfoNCE in both directions, for two views of the same things
    backbones       recommenders without text, one file each
    click           models of rated samples: the probability that a user likes an item
    sequential      what comes next: SASRec over item vectors of any kind
    alignment       how text shapes the vectors of any backbone, one file each
"""
