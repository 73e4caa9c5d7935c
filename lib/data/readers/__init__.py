"""One module per file format: `matches(folder)` says whether it can read a folder, `read(folder, settings)` does.

movielens   MovieLens-100K, as GroupLens publishes it and as RecBole packs it
rlmrec      RLMRec's pickles: splits, profiles and text vectors
npz         splits as scipy writes them
table       a csv, tsv or parquet file with one row per interaction
unpickle    reads pickles for `rlmrec` without running what they contain; pickled_numbers: arrays and matrices in them
"""
