"""Assignment 04: a cache that must fit, shared heads with two bugs, a window with sinks, one softmax in two parts."""
