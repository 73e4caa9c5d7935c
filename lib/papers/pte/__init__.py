"""PtE: profile, then embed, 2025; sequential recommenders on the vectors of texts alone.

Its title is *From ID to LLM: Rethinking Representation Learning for Recommendation*; an earlier one begins with
Profile-then-Embedding. The public repository that bears its name, `yansuoyuli/PtE`, holds another system (RecLM, arXiv
2412.19302, lightly edited): graph recommenders with trained user IDs on other datasets, and none of the recommenders,
datasets and protocols of the tables. So the tables are what is known of PtE's results, and that code says nothing of
how they came about.

published        the numbers that its tables print, those of other methods among them
audit            which of them can be means over one test set
audit_figure     what metrics gain from k to k', and the tail shares that rows imply
protocols        what cold start and leave-one-out make of a dataset, and how sure means over it are
untrained        rankings by popularity and by text, which any method must beat
sampled_metrics  whether 100 negatives keep the order of two methods
protocol_figure  what untrained rankings reach under each protocol
settings         params/papers/pte.yaml, which has a block for each of the packages below
trained_models   sequential recommenders that are compared: trainings, their ranks, differences of means
cold_start       the comparison on cold-start users: trainings, results, differences to Base
long_tail        the comparison on leave-one-out, by groups of rare users and items
differences_figure  these differences under each loss
profiling        profiles of users and items by a language model that reads both, round after round
selection        which of several candidate profiles is kept: rewards, features, policy, and what it is compared with
dominance        do text vectors tell all that ID vectors tell: its theory, tested
"""
