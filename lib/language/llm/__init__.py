"""Language models, local or behind an endpoint; what they are asked is up to the caller.

request_and_answer  a request, the answer to it, and the parser that tells usable replies
language_models     what params/language_models/<name>.yaml may say
local               writes answers with a model on this machine
quiet_loading       loads one without a bar
endpoint            writes answers with a model behind an OpenAI-compatible address
budget              a limit on what an endpoint may cost
recorded            answers on disk, found again by the key of their request
estimate            tokens and cost before anything is asked
asking              opens a writer, asks what is not on record and records it
"""
