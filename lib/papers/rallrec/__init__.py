"""RALLRec: retrieval-augmented recommendation with a language model, WWW Companion 2025, arXiv 2502.06101.

sample_counts   its Table 2: users, items, samples, fields and features of a dataset
"""
