"""Shared by benchmarks of what a model knows: relations between single words, and a form of question for each.

An item counts only if its subject is one token, so that all questions of a relation have the same length, if the answer
is another word, and if the first tokens of the answers differ. Known is what the model writes in full, greedily; where
it is damaged, the answer's first token counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from minillm.analysis.surgery import continuation, prompt_ids
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

CAPITALS = """France Paris, Italy Rome, Spain Madrid, Germany Berlin, Russia Moscow, China Beijing, Japan Tokyo,
Egypt Cairo, Greece Athens, Iraq Baghdad, Iran Tehran, Austria Vienna, Poland Warsaw, Ireland Dublin, Portugal Lisbon,
Norway Oslo, Sweden Stockholm, Cuba Havana, Peru Lima, Kenya Nairobi, England London, Scotland Edinburgh, Wales Cardiff,
Denmark Copenhagen, Finland Helsinki, Iceland Reykjavik, Belgium Brussels, Netherlands Amsterdam, Switzerland Bern,
Hungary Budapest, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade, Croatia Zagreb, Slovenia Ljubljana,
Ukraine Kyiv, Turkey Ankara, Syria Damascus, Lebanon Beirut, Israel Jerusalem, Jordan Amman, Yemen Sana, Oman Muscat,
Qatar Doha, Kuwait Kuwait, Bahrain Manama, Pakistan Islamabad, India Delhi, Nepal Kathmandu, Bangladesh Dhaka,
Myanmar Naypyidaw, Thailand Bangkok, Vietnam Hanoi, Cambodia Phnom, Malaysia Kuala, Indonesia Jakarta,
Philippines Manila, Taiwan Taipei, Korea Seoul, Mongolia Ulaanbaatar, Australia Canberra, Canada Ottawa, Mexico Mexico,
Brazil Brasilia, Argentina Buenos, Chile Santiago, Colombia Bogota, Venezuela Caracas, Ecuador Quito, Bolivia Sucre,
Uruguay Montevideo, Paraguay Asuncion, Jamaica Kingston, Haiti Port, Guatemala Guatemala, Honduras Tegucigalpa,
Nicaragua Managua, Panama Panama, Morocco Rabat, Algeria Algiers, Tunisia Tunis, Libya Tripoli, Sudan Khartoum,
Ethiopia Addis, Somalia Mogadishu, Uganda Kampala, Tanzania Dodoma, Rwanda Kigali, Zambia Lusaka, Zimbabwe Harare,
Nigeria Abuja, Ghana Accra, Senegal Dakar, Mali Bamako, Angola Luanda, Mozambique Maputo, Namibia Windhoek,
Botswana Gaborone, Madagascar Antananarivo, Afghanistan Kabul, Kazakhstan Astana, Uzbekistan Tashkent, Georgia Tbilisi,
Armenia Yerevan, Azerbaijan Baku, Latvia Riga, Lithuania Vilnius, Estonia Tallinn, Albania Tirana, Cyprus Nicosia,
Malta Valletta, Prussia Berlin, Tibet Lhasa"""
LANGUAGES = """Italy Italian, Germany German, Russia Russian, China Chinese,
Japan Japanese, Egypt Arabic, Greece Greek, Poland Polish, Portugal Portuguese, Norway Norwegian, Sweden Swedish,
Denmark Danish, Finland Finnish, Hungary Hungarian, Romania Romanian, Turkey Turkish, Ukraine Ukrainian,
Bulgaria Bulgarian, Israel Hebrew, Thailand Thai, Vietnam Vietnamese, Korea Korean, Iran Persian, Netherlands Dutch,
England English, Wales Welsh, Scotland Scottish, India Hindi, Iceland Icelandic, Nepal Nepali, Croatia Croatian,
Serbia Serbian, Indonesia Indonesian, Malaysia Malay, Kenya Swahili, Pakistan Urdu, Georgia Georgian,
Albania Albanian"""
PAST = """give gave, take took, see saw, come came, know knew, find found, think thought, tell told, feel felt,
leave left, bring brought, begin began, keep kept, hold held, write wrote, stand stood, hear heard, mean meant,
meet met, run ran, pay paid, sit sat, speak spoke, lead led, grow grew, lose lost, fall fell, send sent, build built,
draw drew, break broke, spend spent, rise rose, drive drove, buy bought, wear wore, choose chose, eat ate, fly flew,
forget forgot, sing sang, sleep slept, swim swam, teach taught, throw threw, win won, walk walked, talk talked,
look looked, play played, want wanted, work worked, call called, ask asked, need needed, help helped, turn turned,
start started, move moved, live lived, open opened, watch watched"""
FORMS = {
    "capitals": ("The capital of {} is", CAPITALS),
    "languages": ("France: French. Spain: Spanish. {}:", LANGUAGES),
    "past tense": ("Today they go. Yesterday they went. Today they {}. Yesterday they", PAST),
    "copies": ("One word: {}. The same word again:", CAPITALS),
}


@dataclass(frozen=True)
class Relation:
    """Items of a relation that a tokenizer knows as single tokens."""

    form: str
    subjects: list[str]
    answers: list[str]
    rows: list[list[int]]  # the questions' ids, all as long
    right: Tensor  # (N,), the first token of each answer

    def __len__(self) -> int:
        return len(self.subjects)

    def only(self, kept: list[int]) -> "Relation":
        """These items."""
        subjects, answers, rows = ([of[i] for i in kept] for of in (self.subjects, self.answers, self.rows))
        return Relation(self.form, subjects, answers, rows, self.right[kept])


def pairs_of(written: str) -> dict[str, str]:
    """Words in pairs, as the lists above have them.

    >>> pairs_of("France Paris, Italy Rome")
    {'France': 'Paris', 'Italy': 'Rome'}
    """
    return dict(pair.split() for pair in written.replace("\n", " ").split(", "))


def relation(tokenizer: Tokenizer, name: str) -> Relation:
    """A relation's items, those left out whose subject is several tokens, or whose answer begins as an earlier one."""
    form, written = FORMS[name]
    pairs = {subject: answer for subject, answer in pairs_of(written).items() if subject != answer}
    if name == "copies":
        pairs = {subject: subject for subject in relation(tokenizer, "capitals").subjects}
    return of_pairs(tokenizer, form, pairs)


def of_pairs(tokenizer: Tokenizer, form: str, pairs: Mapping[str, str]) -> Relation:
    """The items of these pairs, under the conditions of `relation`."""
    found: dict[int, tuple[str, str]] = {}
    for subject, answer in pairs.items():
        first = tokenizer.encode(f" {answer}")[0]
        if len(tokenizer.encode(f" {subject}")) == 1 and first not in found:
            found[first] = (subject, answer)
    subjects, answers = ([pair[side] for pair in found.values()] for side in (0, 1))
    rows = [prompt_ids(tokenizer, form.format(subject)) for subject in subjects]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"the questions {form!r} have several lengths")
    return Relation(form, subjects, answers, rows, torch.tensor(list(found)))


@torch.no_grad()
def logits_of(model: Transformer, rows: list[list[int]]) -> Tensor:
    """The next token's logits after rows of one length: (N, V)."""
    return model.head(model.hidden(torch.tensor(rows))[:, -1]).float()


def scores(logits: Tensor, right: Tensor) -> dict:
    """Which are right among all tokens and among the answers, and the rank of each right token, from 1."""
    own = logits.gather(1, right[:, None])
    return {
        "open": (logits.argmax(1) == right).tolist(),
        "closed": (logits[:, right].argmax(1) == torch.arange(len(right))).tolist(),
        "ranks": (1 + (logits > own).sum(1)).tolist(),
    }


def known(model: Transformer, tokenizer: Tokenizer, items: Relation) -> Relation:
    """The items whose answer is what the model writes, greedily."""
    first, kept = logits_of(model, items.rows).argmax(1), []
    for index, answer in enumerate(items.answers):
        rest = tokenizer.encode(f" {answer}")
        if first[index] == rest[0] and (len(rest) == 1 or greedy(model, items.rows[index], len(rest)) == rest):
            kept.append(index)
    return items.only(kept)


def greedy(model: Transformer, ids: list[int], n: int) -> list[int]:
    return list(continuation(model, ids, n))
