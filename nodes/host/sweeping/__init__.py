"""How does one run of the host's sampler give the pictures of several strengths?

`preparing` is what the nodes call: a sweep on the host's model, latent and text encoder. `sampling` wraps the
host's whole sampling of the batch; `batch` cuts noise, latents, masks and random state into the parts of
single strengths, and `conds` gives each part its conditioning. `samplers`, `batch_mixers` and `limits` say
where strengths can share a batch; where they cannot, they are sampled one at a time.
"""
