"""RALLRec: retrieval-augmented recommendation with a language model, WWW Companion 2025, arXiv 2502.06101.

settings        every constant of the paper, checked
collaborative   item vectors of LightGCN on the train period's edges
"""
