"""RALLRec: retrieval-augmented recommendation with a language model, WWW Companion 2025, arXiv 2502.06101.

settings        every constant of the paper, checked
sample_counts   its Table 2: users, items, samples, fields and features of a dataset
item_texts      names, title texts and descriptions of items, which a language model writes (Eq. 1)
collaborative   item vectors of LightGCN on the train period's edges (Eq. 4)
text_alignment  text vectors mapped into the collaborative space (Eq. 5, 6)
mixture         joint vectors of text, collaborative and aligned parts (Eq. 7)
vector_cells    all parts of these vectors, computed once
retrieval       which rated items are like the target, for all samples at once
rerank          similar and recent items merged into one list (Eq. 8)
kinds           every kind of retrieval side by side
relevance       whether retrieved items tell if the target is liked
prompts         what the language model is asked about a sample
augmentation    which prompts it is tuned on
questions       what is asked for each table and figure
asked_samples   the samples that are asked about, as prompts
answers         adapters and recorded answers of one model
recording       tunes and asks, with an estimate first
tuning_curves   how its adapters have learnt
answer_tables   metrics of the answers, their intervals and tests
answer_figures  curves and bars of the answers
shown_ratings   what the ratings in a prompt tell without a language model
few_shot        click models on the same samples
merging         reasoning and general predictions merged by their consistency
figures         curves of the alignment, intervals of relevance
published       the paper's numbers, and ours beside them
"""
