"""RALLRec: Xu et al., RALLRec: Improving Retrieval Augmented Large Language Model Recommendation, WWW Companion 2025.

sample_counts   its Table 2: users, items, samples, fields and features of a dataset
"""
