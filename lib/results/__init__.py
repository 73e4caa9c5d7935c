"""What comes out: figures, tables and pages, each with the record of where it comes from.

writers     a frame as Markdown or LaTeX
layout      the order of rows in tables for people
plots       one function per figure
records     saves figures and tables with their record, and reads it back
banner      what stands above outputs of the tiny scale
excerpts    source of lib as a notebook shows it beside a formula
why         the chain behind one artefact, as text
index       the list of all artefacts, figures/INDEX.md
web_pages   executed notebooks and results as a folder of web pages
"""
