"""All that pages may import of the engine. What AWS's API offers they ask for as programs do, over the transport; here is how they reach
it, what is pure and needs no principal, and what no AWS API offers. import-linter lets pages import nothing else of the engine.

Nothing is made here: each name is one of the engine's own, so what stands here is the whole of what pages know.
"""
