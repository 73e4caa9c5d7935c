"""When a result is called supported, better, reproduced or told apart: only the modules here decide that.

rules                the one rule for effects, and others, from numbers to a word
against_base         what alignment changes in the vectors of single runs, over items and seeds
claims_on_ranking    better than base, over users and seeds, for sparse users and items, under changed conditions
claims_on_text       overlap with the text, changes of items and users, alignment trend, clusters
claims_on_cost       seconds of training and of scoring
"""
