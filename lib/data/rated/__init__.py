"""From files with ratings to Samples for click prediction; one reader per format gives Ratings, one function the rest.

ratings       what a reader gives, and tables of text as it reads them
selection     which ratings count: duplicates, bounds on users and items, the most rated items
histories     from Ratings to Samples: histories, samples, split by time
edges         the pairs that a collaborative graph may know, without or with the leak of the paper's code
movielens     MovieLens-100K and MovieLens-1M
amazon        Amazon Movies & TV, release of 2018
bookcrossing  Book-Crossing: the three csv files, or parquet files without implicit ratings
book_readers  countries and ages of its readers as words
click_split   samples that bring their own split and labels, as CoLLM's of MovieLens-1M
table         anybody's own csv, tsv or parquet file with user, item, rating, timestamp
"""
