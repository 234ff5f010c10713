"""From logits to text.

sampling      chooses one token
generate      repeats it: the loop to read
decode        a fast step for it
text          tokens become text while they are drawn
engine        several texts at once, each of which begins and ends when it likes
turns         a conversation that grows, and a context that does not
prefixes      what was read before is not read again
scoring       how likely a given text is, and the choice among given answers
speculative   several tokens guessed ahead, and checked in one pass
"""
