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
"""RALLRec: retrieval-augmented recommendation with a language model, WWW Companion 2025, arXiv 2502.06101.

settings        every constant of the paper, checked
descriptions    what a language model is asked to write about an item (Eq. 1)
collaborative   item vectors of LightGCN on the train period's edges (Eq. 4)
text_alignment  text vectors mapped into the collaborative space (Eq. 5, 6)
mixture         joint vectors of text, collaborative and aligned parts (Eq. 7)
retrieval       which rated items are like the target, for all samples at once
rerank          similar and recent items merged into one list (Eq. 8)
prompts         what the language model is asked about a sample
augmentation    which prompts it is tuned on
relevance       whether retrieved items tell if the target is liked
merging         reasoning and general predictions merged by their consistency
"""RALLRec: retrieval-augmented recommendation with a language model, WWW Companion 2025, arXiv 2502.06101.

published   the paper's numbers, and ours beside them
"""
