"""Sequential recommenders: from what a user took, in order, to a vector that scores every item.

schedules       how fast noise covers a vector, and diffusers' steps from noise back to it
dreamrec        DreamRec, which draws the vector of an ideal next item, guided by the history
llm_esr         LLM-ESR, two views of every item and a teacher among users with like texts
initial_values  weights of linear layers drawn from a given generator
"""
