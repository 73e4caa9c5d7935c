"""Does one table of vectors tell all that another tells? Information dominance (docs/methods/pte-dominance.md).

PtE says that vectors of texts dominate ID vectors in Blackwell's sense, and that fusing both adds nothing but ease of
optimisation. Everything here takes plain tables by name, whatever they are of: IDs, metadata, profiles, fusions.

garbling       can one table be computed from the other, for items that the map has not seen
sufficiency    the same as information, with Gaussians: ISI
labelled_pairs what is to be predicted: interactions and matched negatives, with warm, cold and rare entities
pair_vectors   vectors of users and items, what cold ones get, and the features of a pair
probes         classifiers of equal effort
bayes_risk     how well the probes predict from each table
roc_order      Blackwell's order for two states: one ROC curve above the other
fusion         what IDs add to texts, by the number of training pairs and the capacity of the probe
statements     ISI beside the published figure, and a sentence for each claim
resampling     bootstrap weights and intervals
figures        heat maps, ROC curves with their band, the increment by training pairs
"""
