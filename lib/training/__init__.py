"""How one model is trained: from its settings to a folder with its vectors and metrics.

Modules, in the order in which they are best read:
    run_settings  what params/ say about one run
    recommender   a backbone and an alignment as one model
    sampler       the batches of an epoch
    step          losses, gradients and the optimiser's update for one batch, replayed as a CUDA graph on a GPU
    fit           epochs until validation recall stops improving
    checkpoints   what a killed run goes on from
    devices       the processor or the GPU
    run_folder    what a finished run left on disk
    train         computes one run into its folder
    grid_search   which of several settings is best on validation rows, for the following
    module_runs   what the trainings of torch modules without a graph leave, and go on from
    click_settings, click_fit, click_run  the same three steps for click models: settings, epochs, results
    sequence_settings, sequence_fit, sequence_run  the same for sequential recommenders
    sequence_models  SASRec, DreamRec or LLM-ESR, before the first step
"""
