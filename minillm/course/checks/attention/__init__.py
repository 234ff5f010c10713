"""Assignment 04: one head, heads cut along the wrong axis, a window with sinks, and one softmax over two machines."""
