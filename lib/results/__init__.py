"""What comes out: figures, tables and pages, each with the record of where it comes from.

writers     a frame as Markdown or LaTeX
layout      the order of rows in tables for people
plots       one function per figure
records     saves figures and tables with their record, and reads it back
why         the chain behind one artefact, as text
index       the list of all artefacts, figures/INDEX.md
web_pages   executed notebooks and results as a folder of web pages
"""
