"""LoRA files, stacks and patches, with torch and nothing of the host.

Every folder answers one question, and imports only from those before it in LAYERS:

- `untrusted`: what may a text from outside be? The one reader of JSON.
- `pictures`: which texts are in a picture?
- `adapters`: what does a layer of a LoRA do to a weight? One file a formula.
- `reading`: what is in a file?
- `families`: what is known of a family of models? One record each.
- `key_maps`: which weight does a layer mean, in which family of models?
- `blocks`: which block of the model is that weight in, and what is it there?
- `schedule`: when in a sampling is a LoRA on, and how strong then?
- `stack`, `grammar`: which LoRAs are on, and how strong? The data, and its text.
- `racks`: which stack is kept under a name?
- `library`: which file does a name or a hash mean?
- `fetching`: how does a file that is not here come here?
- `applying`: how do several LoRAs become one patch a weight, and what became of each?
- `merging`: how do the changes of several LoRAs become one?
- `changes`: what does a stack do to each weight, as factors or as a difference?
- `baking`: how is a stack written into a checkpoint?
- `saving`: how does a stack leave as one ordinary LoRA file?
- `overlap`: where do the LoRAs of a stack get in each other's way, and what balances them?
- `lineage`: which files are the same, do the same, or come from one training?
- `live`: how do they act while the model samples, with no weight written?
- `axes`, `measures`: which strengths does a sweep show, and what do its pictures measure?
- `reports`: where in a model does a LoRA work, and how do two differ?
- `workflows`: which LoRAs does a workflow name, and how do its nodes use them?
- `made_with`: which LoRAs was a picture made with, and how does it say so?
- `infotext`: which recipe does the text under a picture of A1111 hold, and as which graph?
- `convert`: how is a workflow made with other LoRA nodes written with ours?
- `cli`: all of it without a host.
"""

LAYERS = (
    "version",
    "errors",
    "cache",
    "untrusted",
    "pictures",
    "adapters",
    "reading",
    "families",
    "key_maps",
    "blocks",
    "schedule",
    "stack",
    "grammar",
    "racks",
    "library",
    "fetching",
    "applying",
    "merging",
    "changes",
    "baking",
    "saving",
    "overlap",
    "lineage",
    "live",
    "axes",
    "measures",
    "reports",
    "workflows",
    "made_with",
    "infotext",
    "convert",
    "cli",
    "__main__",
)
"""The folders and modules of the core, lowest first. A test refuses an import upward."""
