"""The report that asks how much meaning RLMRec's alignment really puts into the vectors.

overlap_table      its Table 1: neighbour overlap with the text, beside the report's cells
printed_table      what follows from the cells that the report printed
dashboard          what its figure 2 shows, measured
dashboard_figure   its figure 2, drawn
item_explorer      neighbours and maps of single items, for the web pages
"""
