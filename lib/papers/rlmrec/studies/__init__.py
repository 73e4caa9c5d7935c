"""Which runs the studies 12 to 15 need beside the grid's; a file is called as its notebook, without the number.

Each has one function, `cells`, whose parameters are some of its notebook's.

noise, texts, pretraining, sensitivity
"""
