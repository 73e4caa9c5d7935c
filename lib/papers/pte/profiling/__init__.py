"""Closed-loop profiling: users and items that describe each other by a language model, several candidates each.

What it computes, and why, is in docs/methods/pte-profiles.md.

histories     what may be known of each user, and who belongs to training
neighbours    train users with similar histories
audiences     train users by whom an item is described
probes        train interactions that are hidden, so that a reward can ask for them
titles        what items are called, and whether a text names one
wording       the instructions, four paraphrases for each side
contract      what a profile consists of, and how a reply becomes one
perturbation  how the candidates of one profile differ
rendering     facts and instructions as requests to a language model
sampling      language models that sample, kept to the form
loop          rounds in which users and items read each other
monitors      whether profiles collapse, drift or are stable
recording     profiles on disk, found again after a crash
candidates    writes the profiles of a dataset; tells the cost first
replay        the prompts behind a recording, rendered anew, and whether one breaks a rule
figures       what the monitors say of each round
settings      the block `profiling` of params/papers/pte.yaml
"""
