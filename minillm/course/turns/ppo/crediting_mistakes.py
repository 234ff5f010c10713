"""What is often done instead in 10b.gae: a sentence, a hint, and the answer."""

import torch
import torch.nn.functional as F

from minillm.course.turns.ppo.crediting_variants import after, at_ends, credited, delta_of
from minillm.course.turns.ppo.tables import Mistakes

WHOLE: Mistakes = (
    (
        "The loop runs forwards: A_t is made of A_(t-1).",
        "A_t needs what comes after t: begin with the last token.",
        lambda *call: credited(*call, forward=True),
    ),
    (
        "These are the deltas alone.",
        "Add gamma lambda A_(t+1).",
        lambda *call: credited(*call, step=lambda delta, *_: delta),
    ),
    (
        "lambda is missing: A_t = delta_t + gamma A_(t+1).",
        "A_(t+1) is multiplied by gamma and by lambda.",
        lambda *call: credited(*call, step=lambda delta, following, gamma, lam: delta + gamma * following),
    ),
    (
        "gamma is missing in front of A_(t+1).",
        "A_(t+1) is multiplied by gamma and by lambda.",
        lambda *call: credited(*call, step=lambda delta, following, gamma, lam: delta + lam * following),
    ),
    (
        "gamma is missing in delta.",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] + after(call[1] * call[2]) - call[1]),
    ),
    (
        "gamma is missing in both places.",
        "delta_t = r_t + gamma V_(t+1) - V_t, and A_t = delta_t + gamma lambda A_(t+1).",
        lambda rewards, values, mask, gamma, lam: credited(rewards, values, mask, 1.0, lam),
    ),
    (
        "A_(t+1) isn't multiplied by anything.",
        "A_t = delta_t + gamma lambda A_(t+1).",
        lambda *call: credited(*call, step=lambda delta, following, gamma, lam: delta + following),
    ),
    (
        "delta_t is multiplied by lambda, too.",
        "Only what comes after t is: A_t = delta_t + gamma lambda A_(t+1).",
        lambda *call: credited(*call, step=lambda delta, following, gamma, lam: lam * (delta + gamma * following)),
    ),
    (
        "delta_t is multiplied by gamma lambda, too.",
        "Only what comes after t is: A_t = delta_t + gamma lambda A_(t+1).",
        lambda *call: credited(*call, step=lambda delta, following, gamma, lam: gamma * lam * (delta + following)),
    ),
    (
        "delta_t has the weight 1 - lambda.",
        "Its weight is 1: A_t = delta_t + gamma lambda A_(t+1).",
        lambda *call: credited(*call, step=lambda delta, later, gamma, lam: (1 - lam) * delta + gamma * lam * later),
    ),
    (
        "V_t is added to the advantages: these are the returns.",
        "The advantage is what comes beyond V_t.",
        lambda *call: credited(*call) + call[1] * call[2],
    ),
    (
        "V_t isn't subtracted: delta_t = r_t + gamma V_(t+1).",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1] * call[2])),
    ),
    (
        "V_t and V_(t+1) have changed places.",
        "What is expected after the token counts for it: r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * call[1] - after(call[1] * call[2])),
    ),
    (
        "The signs of V_t and gamma V_(t+1) are the wrong way round.",
        "What is expected after the token counts for it: r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] - call[3] * after(call[1] * call[2]) + call[1]),
    ),
    (
        "V_(t+1) is missing: delta_t = r_t - V_t.",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] - call[1]),
    ),
    (
        "The values aren't used: these are sums of rewards.",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0]),
    ),
    (
        "The last token has no advantage.",
        "It has: r_t - V_t, since after it both V and A are 0. The last column counts, too.",
        lambda *call: credited(*call, deltas=(call[0] + call[3] * after(call[1]) - call[1]) * ~at_ends(call[2])),
    ),
    (
        "The advantage of the last token is its reward.",
        "Take its value off, too: delta = r_t + 0 - V_t.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1] * ~at_ends(call[2])),
    ),
    (
        "After the last token the value is still V_t, not 0.",
        "An answer that has ended expects nothing more: there, V_(t+1) = 0.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1], call[1][:, -1:]) - call[1]),
    ),
    (
        "After the last token comes the value of the first: the values go round in a circle.",
        "An answer that has ended expects nothing more: there, V_(t+1) = 0.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1], call[1][:, :1]) - call[1]),
    ),
    (
        "delta takes the value before t, V_(t-1), not the one after it.",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(
            *call,
            deltas=call[0] + call[3] * torch.cat([torch.zeros_like(call[1][:, :1]), call[1][:, :-1]], 1) - call[1],
        ),
    ),
    (
        "The advantages are subtracted: A_t = delta_t - gamma lambda A_(t+1).",
        "Add what comes after t.",
        lambda *call: credited(*call, step=lambda delta, later, gamma, lam: delta - gamma * lam * later),
    ),
    (
        "The sign is wrong: these are the advantages times -1.",
        "Better than expected is positive: r_t + gamma V_(t+1) - V_t.",
        lambda *call: -credited(*call),
    ),
    (
        "The columns are in the wrong order: the first one belongs to the last token.",
        "Going backwards, you collect the last token first: turn the list round at the end.",
        lambda *call: credited(*call).flip(1),
    ),
    (
        "All tokens have the advantage of the first.",
        "Write each one into its own column, `advantages[:, t]`.",
        lambda *call: credited(*call)[:, :1].expand_as(call[0]),
    ),
    (
        "The advantages are whitened: mean 0, standard deviation 1.",
        "That comes later. Return them in points of reward.",
        lambda *call: (credited(*call) - credited(*call).mean()) / (credited(*call).std() + 1e-8),
    ),
    (
        "gamma and lambda have changed places in delta: it's lambda that multiplies V_(t+1).",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] + call[4] * after(call[1] * call[2]) - call[1]),
    ),
    (
        "lambda multiplies V_(t+1), too: as if A_t were r_t + gamma lambda A_(t+1), less V_t.",
        "lambda belongs to A_(t+1) alone: delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * call[4] * after(call[1] * call[2]) - call[1]),
    ),
    (
        "gamma multiplies the reward.",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=call[3] * call[0] + call[3] * after(call[1] * call[2]) - call[1]),
    ),
    (
        "delta takes V_t for V_(t+1): the value is replaced before delta is computed.",
        "Compute delta and the advantage first, and replace the value after that.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * call[1] - call[1]),
    ),
    (
        "delta takes the reward after t, r_(t+1).",
        "delta_t = r_t + gamma V_(t+1) - V_t.",
        lambda *call: credited(*call, deltas=after(call[0]) + call[3] * after(call[1] * call[2]) - call[1]),
    ),
    (
        "A_(t+1) is delta_(t+1) only, so nothing comes from further away.",
        "Use the advantage of the column that you've just computed: go from the last column to the first.",
        lambda *call: credited(
            *call,
            step=lambda delta, *_: delta,
            deltas=delta_of(*call) + call[3] * call[4] * after(delta_of(*call)),
        ),
    ),
    (
        "Only the last column has an advantage.",
        "Is there a `return` inside the loop? It ends the loop in its first round.",
        lambda *call: F.pad(credited(*call)[:, -1:], (call[0].shape[1] - 1, 0)),
    ),
    (
        "The advantages are centered: their mean is subtracted.",
        "That comes later. Return them as they are.",
        lambda *call: (credited(*call) - credited(*call)[call[2]].mean()) * call[2],
    ),
    (
        "Every token is compared with the sum of all rewards of its answer, those before it included.",
        "Only what comes from token t on counts: delta_t, and gamma lambda A_(t+1).",
        lambda *call: (call[0].sum(1, keepdim=True) - call[1]) * call[2],
    ),
)

PADDED: Mistakes = (
    (
        "After the last token of a short answer comes the value of the padding, and A goes on into it.",
        "An answer that has ended expects nothing more: multiply `values` and the advantages by `mask`.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1], kept=False),
    ),
    (
        "After the last token of a short answer, V_(t+1) is the value of the padding.",
        "An answer that has ended expects nothing more: multiply `values` by `mask`.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1]),
    ),
    (
        "The padding has advantages, and the last token gets a part of them.",
        "Multiply each column of advantages by `mask[:, t]` before the next one uses it.",
        lambda *call: credited(*call, kept=False),
    ),
    (
        "The padding's values reach the answers: the mask is used only at the end.",
        "Multiply `values` and each column of advantages by the mask before the next column uses them.",
        lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1], kept=False) * call[2],
    ),
    (
        "Advantages of the padding reach the last token: they're set to 0 only at the end.",
        "Multiply each column of advantages by `mask[:, t]` before the next one uses it.",
        lambda *call: credited(*call, kept=False) * call[2],
    ),
    (
        "The last token of a short answer has no advantage: it's masked by the token after it.",
        "Multiply by `mask[:, t]`, not by `mask[:, t + 1]`.",
        lambda *call: credited(*call) * after(call[2]),
    ),
)
