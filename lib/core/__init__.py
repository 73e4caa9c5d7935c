"""What every room uses.

errors        the one exception that users are meant to read
strict_yaml   YAML, with one sentence for every mistake in it
files         the repository's root, atomic writes, YAML files, content hashes
settings      strict settings classes
names         names of cells, and the order in which papers list them
vector_files  files of vectors in place of an encoder, known by their content
fingerprints  which code a result follows from
environment   git state, versions, machine
progress      of long work
"""
