"""How everything is driven: which cells and notebooks there are, what is up to date, and how it is executed.

experiments             params/experiments.yaml: which paper makes what of which dataset
experiment_files        where experiments stand, unchecked
study_cells             the runs that studies need beside the grids
grids                   the cells of experiments and studies, as settings of runs
executions              which notebooks an experiment executes, and which it cannot have
to_train                which runs it trains, and which it takes from data/recorded
fetching                gets datasets and weights by name
input_files             which files decide a result besides code
manifests               what made a run, written when everything else is there
cells                   computed once, found by a key, continued: any kind of cell
graph_cells             the cell of a graph recommender
searched_cells          cells of trainings whose settings may be searched first, and the cell of that search
click_cells             the cell of a click model
sequence_cells          the cell of a sequential recommender
user_neighbours         users with like texts, for those recommenders that learn from them
recorded_runs           runs without vectors in data/recorded, taken from there
recording               writes them there
sequence_recording      and those of sequential recommenders
recheck                 keeps runs after an edit that changes no number
notebook_parameters     what a notebook declares, and values checked against it
execution, failures     a kernel of its own, and what is told when it fails
notebook_jobs           one notebook: up to date, or executed
one_cell                a single training by name
own_data                a new dataset of a user's own tables
pipeline                every task of an experiment, for the Snakefile and for the plan
durations, plan         what would run now, why, and how long
doctor, editor_schemas  what this machine has; schemas of params/*.yaml for editors
"""
