"""RALLRec: retrieval-augmented recommendation with a language model, WWW Companion 2025, arXiv 2502.06101.

published   the paper's numbers, and ours beside them
"""
