"""What finished runs, text vectors and interactions say: frames that tables and figures show, whatever the paper.

comparisons          aligned models against base: over users and over seeds, and what the two have in common
sparsity             metrics and gains by the train degree of users and items
item_hits            where the hits of a ranking lie, by groups of items
run_hits             the same of a run, or as recorded with it
untrained_rankings   what text vectors, popularity and chance reach without training
studies              one cell under changed conditions: noise, other texts, other settings
text_overlap         neighbours in vectors and in texts: their overlap, and what alignment adds to it
run_overlap          the overlap of a run, kept in its folder
kept_measures        what was measured on vectors before they were left out of data/recorded
trend                mean cosine of item pairs by the cosine of their texts
item_maps            clusters of items and two-dimensional maps
cluster_words        words that tell clusters of texts apart
semantic_scores      slopes of trends and separation of clusters, each beside that of base
risen_items          items whose overlap rises most, and how typical they are
distant_users        users far apart in the graph but close in text
descriptions         names of items and sentences about them, for people
counts               degrees and lengths of profiles, as tables
cost                 time, memory and numbers to train
published            the tables in params/published, and the spread between seeds that they imply
"""
