"""Which of several candidate profiles of a user or an item is kept: a policy trained on group-relative rewards.

Rewards are known only where some interactions were hidden from what the candidates are written of. The policy sees
features that need no such label, so it chooses for everybody else, too. With fixed candidates this is a contextual
bandit: docs/methods/pte-selection.md says what that means for the name GRPO.

settings             `selection` of params/papers/pte.yaml
probes               interactions that are hidden from prompts, and partners as popular to compare them with
sides                Candidates and Side: profiles as vectors and texts, and what is known of whom they describe
cosines              cosines along the entries of a sparse matrix
rewards              collaborative alignment, distinctiveness and form of a candidate, and their weighted sum
features             what the policy reads of a candidate
policy               the network that turns features into probabilities
objective            advantages and the clipped objective, summed over all candidates or over drawn ones
training             fits a policy, or a regression to compare it with
sweeps               users by the items' profiles, items by the users', twice
candidate_selectors  policy, regression, medoid, chance, first and best candidate, and their table
recorded_sides       recorded profiles as the two sides
comparison           policies trained on one half of the entities and compared on the other
figures              what the picks of each policy are worth
planted_world        a made-up world where it is known which candidate is good
planted_comparison   the comparison there, with the share of good picks

The writer itself can learn from the same rewards, by TRL, which is an extra of this package:

language_policy_settings  `language_policy` of params/papers/pte.yaml
completion_rewards        rewards of what a language model has just written
rollouts                  answers of the learning model, kept to the lines of a profile
trl_training              TRL's GRPOTrainer on prompts and a reward
language_policy           tunes an adapter of the model that wrote a recording
"""
