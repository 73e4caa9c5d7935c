"""RALLRec: Xu et al., Improving Retrieval Augmented Language Models for Recommendation, WWW Companion 2025.

settings        its constants: params/papers/rallrec.yaml
item_texts      names, title texts and descriptions of items, which a language model writes (Eq. 1)
collaborative   item vectors of LightGCN on the ratings of the train period (Eq. 4)
text_alignment  text vectors moved into their space by a small network (Eq. 5 and 6)
mixture         vectors of several kinds side by side (Eq. 7)
vectors         all of these as one cell, computed once
retrieval       which earlier items of a user are looked at for a target
reranking       similar and recent items merged (Eq. 8)
relevance       how much the retrieved items say about the target, without a language model
"""RALLRec: Xu et al., RALLRec: Improving Retrieval Augmented Large Language Model Recommendation, WWW Companion 2025.

sample_counts   its Table 2: users, items, samples, fields and features of a dataset
"""
