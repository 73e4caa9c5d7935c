"""One pure function per figure: frames in, a matplotlib Figure out; no change to global settings.

Colours and markers are fixed: one of each per alignment, the same in every figure. The title says of which dataset and
backbone, and what came out. What is drawn without an entry in the legend carries its
name as a gid, so that a reader of the code, and a test, can tell what it is.

theme     the look, titles, colours, markers, panels, legends
data      what goes in: degrees and profile lengths
ranking   how well models rank
forest    what alignment changes in every backbone, and on average
cost      what alignment costs beside what it brings
overlap   overlap with the text, and the case studies
studies   one cell under changed conditions
"""
