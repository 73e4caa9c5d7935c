"""Texts and their vectors: what a language model is asked, what it says, and how that becomes numbers.

wording          how the users and items of a dataset are called, and what is asked about them
prompts          facts of the train split as requests to a language model
profile_answers  which replies are good profiles: the parser of RLMRec's JSON form
llm/             language models of any kind, asked anything: requests in, recorded answers out
yes_no/          how likely a language model says yes to a question, and how it learns to say it rightly
profiles         the profiles of a dataset: loaded, or written by a language model
encoders         texts to vectors: sentence-transformers, language models, word vectors, TF-IDF
hidden_states    the mean of a causal language model's last states
term_vectors     TF-IDF vectors that are the same on every machine
ready_made       vectors from a file
text_vectors     the vectors of all users and items, whichever way they come
text_variants    the same shuffled, or from metadata in place of profiles
weights          which of all these models `python -m lib fetch` can get
"""
