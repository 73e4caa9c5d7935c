"""Yes-or-no questions to a causal language model: how likely it says yes, and how it learns to say it rightly.

prompts_as_tokens  prompts in a model's chat template, as token numbers
token_batches      sequences grouped by length; smaller batches where memory ends
causal_model       the model, asked for what comes next at chosen places only
adapters           LoRA: added to a model, saved, loaded, for that model only
scorer             the probability of Yes by one forward pass
precision          what bfloat16 changes in the probabilities
recorded_scores    scores on disk, found again by prompt, model and adapter
tuning_settings    how an adapter looks and learns
tuning             teaches an adapter the right answers
tuning_state       all that a killed tuning needs to go on, bit for bit
"""
