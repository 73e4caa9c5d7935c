"""How well a model ranks, how sure a number is, and what may be concluded from it.

ranking        full ranking of all items, Recall and NDCG of every user
target_rank    the rank of one target per row, HR, NDCG and MRR of it
invariants     what tables of HR, NDCG and MRR must satisfy if they are means over one test set
significance   bootstrap intervals, errors from several sources of chance, Holm's correction
click_metrics  AUC, log loss and accuracy of predicted likes, their intervals and tests
seed_spread    how far another seed moves a number, estimated from all cells together
verdicts       the rules that turn numbers into words, and what tables say of each claim by these rules
"""
