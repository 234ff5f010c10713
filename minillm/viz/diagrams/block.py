"""A diagram of one transformer block along its residual stream."""

from matplotlib.patches import Circle

from minillm.config import ModelConfig
from minillm.viz.diagrams.canvas import Canvas, Diagram
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.parts import GAP, Arrow, Panel, Row
from minillm.viz.diagrams.theme import BLUE, GREEN
from minillm.viz.figures.style import TINY

NORMS = {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}
ACTIVATIONS = {"swiglu": "SiLU(gate) · up", "gelu": "GELU", "relu2": "ReLU²"}
BIASES = {"rotary": "rotary positions", "alibi": "ALiBi bias"}  # positions that attention itself uses
STREAM = 0.3  # inches from the margin to the residual stream
RETURN = 0.32  # inches between a branch and the stroke that takes its output back to the stream


def residual_stream(config: ModelConfig, title: str = "", theme: str = "light") -> Diagram:
    """Draw one transformer block with all shapes, from bottom to top.

    >>> residual_stream(ModelConfig.preset("smollm2-135m")).alt.partition(". ")[0]
    'Diagram: One of 30 blocks: two branches read the residual stream and add to it'
    """
    left = STREAM + 0.35
    for lines in (1, 2):  # a shape on one line or, for wide ones, on two
        attention, feedforward = _attention_branch(config, lines), _feedforward_branch(config, lines)
        sizes = [branch.extent() for branch in (attention, feedforward)]
        wide = left + max(size.width for size in sizes) + 0.2
        if wide <= WIDE:
            break
    high = sum(size.above + size.below for size in sizes) + 2 * RETURN + 0.85
    title = title or f"One of {config.n_layers} blocks: two branches read the residual stream and add to it"
    page = Page(title, [], wide, high, theme)
    canvas, x = page.canvas, page.left + STREAM
    canvas.line((x, page.bottom), (x, page.top), color=canvas.theme.hatch, width=6)
    shape = f"residual stream: B × T × C = B × T × {config.d_model:,}"
    canvas.text(x + 0.14, page.bottom - 0.1, shape, size=TINY, color=canvas.theme.quiet, align="left")
    y = page.bottom - 0.4
    for branch, size in zip((attention, feedforward), sizes, strict=True):
        middle = y - size.below
        canvas.arrow((x, middle), (page.left + left - GAP, middle))
        branch.draw(canvas, page.left + left, middle)
        end, back = page.left + left + size.width, middle - size.above - RETURN / 2
        canvas.arrow((end, middle), (end + 0.16, middle), (end + 0.16, back), (x + 0.11, back))
        _plus(canvas, x, back)
        y = back - RETURN / 2 - 0.1
    canvas.text(x + 0.14, page.top + 0.1, "↑ to the next block", size=TINY, color=canvas.theme.quiet, align="left")
    told = f"The stream has shape B × T × {config.d_model:,}. Branch 1: {attention.told}. Branch 2: {feedforward.told}"
    return page.finish(told)


def _attention_branch(config: ModelConfig, lines: int) -> Row:
    C, H, K, D = config.d_model, config.n_heads, config.n_kv_heads, config.d_head
    heads = [f"H = {H}, K = {K} heads" if K != H else f"H = {H} head{'s' if H > 1 else ''}", f"D = {D}"]
    matrices = [
        *_shape("W_Q: C × H·D", f"{C:,} × {H * D:,}", lines),
        *_shape("W_K, W_V: C × K·D", f"{C:,} × {K * D:,}", lines),
    ]
    if config.position in BIASES:
        heads.append(BIASES[config.position])
    return Row(
        (
            Panel(NORMS[config.norm]),
            Arrow("T × C"),
            Panel("projections", tuple(matrices), BLUE),
            Arrow("q, k, v"),
            Panel("attention", tuple(heads), BLUE),
            Arrow("T × H·D"),
            Panel("W_O", _shape("H·D × C", f"{H * D:,} × {C:,}", 2), BLUE),
        )
    )


def _feedforward_branch(config: ModelConfig, lines: int) -> Row:
    C, hidden = config.d_model, config.d_ff
    first = "W_gate, W_up" if config.activation == "swiglu" else "W_up"
    return Row(
        (
            Panel(NORMS[config.norm]),
            Arrow("T × C"),
            Panel(first, _shape("C × F", f"{C:,} × {hidden:,}", lines), GREEN),
            Arrow("T × F"),
            Panel(ACTIVATIONS[config.activation], (), GREEN),
            Arrow("T × F"),
            Panel("W_down", _shape("F × C", f"{hidden:,} × {C:,}", lines), GREEN),
        )
    )


def _shape(letters: str, sizes: str, lines: int) -> tuple[str, ...]:
    """A shape on one line or on two."""
    return (f"{letters} = {sizes}",) if lines == 1 else (f"{letters} =", sizes)


def _plus(canvas: Canvas, x: float, y: float) -> None:
    circle = Circle((x, y), 0.1, facecolor=canvas.theme.panel, edgecolor=canvas.theme.ink, linewidth=1.2)
    circle.set_zorder(canvas.above())
    canvas.axes.add_patch(circle)
    for end in (((x - 0.05, y), (x + 0.05, y)), ((x, y - 0.05), (x, y + 0.05))):
        canvas.line(*end, color=canvas.theme.ink)
