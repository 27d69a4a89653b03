"""What may the page ask, and what is it told?

`routes` is the table of addresses under `/lora_rack/`. `catalog` lists the LoRAs, `row_json` says a row as
JSON, `equaliser` gives blocks and bars, `previews` thumbnails, and `frames` the pictures of a scrubber.
`convert_routes` reads what a person converts, and `late_modules` sends the code that the page loads later.
Only files that the host lists are read, whatever a request says.
"""
