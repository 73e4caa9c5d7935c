"""RLMRec: Ren et al., Representation Learning with Large Language Models for Recommendation, WWW 2024.

ranking_table   its Table 1: ranking quality beside the paper's cells
reproduction    how near our runs come to published ones
studies         which runs the studies need beside the grid
"""
