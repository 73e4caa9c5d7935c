"""What comes out: figures, tables and pages, each with the record of where it comes from.

writers           a frame as Markdown or LaTeX
short_tables      what of a table fits on a screen
layout            the order of rows in tables for people
display_names     names that people read
plots             one function per figure
records           saves figures and tables with their record, and reads it back
banner            what stands above outputs of the tiny scale
excerpts          source of lib as a notebook shows it beside a formula
why               the chain behind one artefact, as text
questions         which question an artefact answers
findings          what the tables say of the four claims that most readers ask about
pages             the page of one paper and dataset
readme_parts      what README.md quotes of results
index             writes figures/README.md and all pages
web_pages         README, results, documents and notebooks as web pages with search
"""
