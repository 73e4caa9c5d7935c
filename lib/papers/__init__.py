"""What belongs to one paper alone: its tables beside ours, its figures, its claims.

rlmrec   Representation learning with large language models for recommendation (RLMRec)
rallrec  Retrieval-augmented language model recommendation (RALLRec)
rallrec  retrieval-augmented click prediction with a language model (RALLRec)
report   the report on how much meaning alignment puts into the vectors
rallrec  retrieval-augmented language models as recommenders (RALLRec)
"""
