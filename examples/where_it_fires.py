"""Features by the words they fire on, and the answers that show them most.

`python -m examples.where_it_fires TEXT` looks in the sample study, which `python -m examples.sample` encodes.
"""

import sys

from diffing import Study
from diffing.reader import query

encodings = Study.open("sample").encodings()
for feature in query.by_tokens(encodings, sys.argv[1], most=3)["feature"]:
    for checkpoint in ("before", "after"):
        for document in encodings.top(feature, checkpoint, k=2)["document"]:
            pieces = encodings.tokens(document).pieces(encodings.dense(document, feature))
            marked = "".join(f"[{text}]" if value > 0 else text for text, value in pieces)
            print(f"feature {feature} {checkpoint}: {' '.join(marked.split())[:100]}")
