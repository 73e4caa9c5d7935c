"""What belongs to one paper alone: its tables beside ours, its figures, its claims.

rlmrec         Representation learning with large language models for recommendation (RLMRec)
report         the report on how much meaning alignment puts into the vectors
rallrec        retrieval-augmented click prediction with a language model (RALLRec)
pte            profiles, then embeddings: sequential recommenders on the vectors of texts (PtE)
written_texts  the texts that they need of a language model
model_options  the options of commands that ask one
"""
