"""What a recommender is trained and tested on: from a list of sources to Interactions.

dataset_settings  what params/<dataset>/dataset.yaml may say
transfer          downloads one archive
archives          unpacks it into data/<dataset>/ and notes where the files came from
sources           fills data/<dataset>/ by these two, from the first source that works
interactions      the three splits, the only form in which other rooms see data
samples           rated samples with their histories, the form in which click prediction sees data
sample_checks     what samples must hold, and the sentence for what does not
rated/            makes samples of files with ratings, one reader per format
sequences/        one sequence of items per user, cold-start and leave-one-out rows, the form sequential models see
preprocess        makes them of raw events: rating threshold, k-core, split
readers/          makes them of the files in data/<dataset>/, one module per format
row_order         whose rows they are: the ids of users and items by index
variants          the same data with added noise, or the early or late half of them
datasets          names, settings, fetching and reading in one place: datasets.load("movielens-100k")
"""
