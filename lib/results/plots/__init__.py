"""One pure function per figure: frames in, a matplotlib Figure out; no change to global settings.

Colours are fixed: one per alignment, the same in every figure. What is drawn without an entry in the legend carries its
name as a gid, so that a reader of the code, and a test, can tell what it is.

theme     the look, colours, panels, legends, bars
data      what goes in: degrees and profile lengths
ranking   how well models rank
forest    what alignment changes in every backbone, and on average
overlap   overlap with the text, and the case studies
studies   one cell under changed conditions
"""
