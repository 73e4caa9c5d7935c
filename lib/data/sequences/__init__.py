"""What each user took in order, and who must predict what from which part of it.

user_sequences   Sequences: the form in which sequential recommenders see data
from_dated       makes them of dated events: Interactions, or rated files
sequence_files   makes them of files that hold sequences: parquet, S3-Rec's text, one 'user item' per line
rows             left-padded arrays of what is shown and what comes next; all that is visible as a sparse matrix
cold_start       users that training has never seen: last events, users split by time or as published
leave_one_out    each user's last event tests, the one before validates
long_tail        users and items with few events, and the groups of rows that they make
negatives        items drawn once per row to rank a target against
"""
