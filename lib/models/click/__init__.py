"""Click models: from fields such as user, item, genre and history, the probability that the user likes the item.

features   samples as one table of numbers, one or more columns for each field
networks   DeepFM, xDeepFM, DCN and AutoInt, with their settings
deepctr    the library that brings them, imported without a network and without noise
"""
