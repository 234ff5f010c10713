"""A trained model as one HTML file that runs it in a browser: `minillm publish`.

contents        what the page holds of a model: shape, weights, tokenizer, chat template; what it refuses, and why
curve           what it shows of a run's metrics
page            the HTML around it: everything inline, no network, a strict content security policy

    model.js    the model in JavaScript, to read beside minillm/model/
    page.js     what the page does with it      page.html, page.css    how it looks
"""

from minillm.publish.page import Another, publish

__all__ = ["Another", "publish"]
