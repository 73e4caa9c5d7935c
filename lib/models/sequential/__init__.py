"""Sequential recommenders: from what a user took in order, the vector that the next item's should be near.

whitening       text vectors to coordinates without correlation, the strongest first
items           the vectors of items, which is what the compared methods differ in, one file each
cosines         of states and rows of a table, with their gradient
losses          InfoNCE, full cross-entropy and binary cross-entropy of the next item
sasrec          self-attention over the history: the encoder that all backbones share, and SASRec
schedules       how fast noise covers a vector, and diffusers' steps from noise back to it
dreamrec        DreamRec, which draws the vector of an ideal next item, guided by the history
llm_esr         LLM-ESR, two views of every item and a teacher among users with like texts
initial_values  weights of linear layers drawn from a given generator
"""
