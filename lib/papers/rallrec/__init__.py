"""RALLRec: Xu et al., Improving Retrieval Augmented Large Language Model Recommendation, WWW Companion 2025.

published   the paper's numbers, and ours beside them
"""
