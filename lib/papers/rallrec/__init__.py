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
"""
