"""Unusual right answers to the turn 11a.verifier, as learners write them."""

import itertools
import re

import numpy as np
import torch
from turn_answers import right


@right("11a.verifier")
class RpartitionAndSet:
    def verifier(answer, result):
        tail = answer.rpartition("Answer:")[2]
        return 1.0 if {int(x) for x in re.findall(r"-?\d+", tail)} == {result} else 0.0


@right("11a.verifier")
class CharByCharScanner:
    def verifier(answer, result):
        """The reward of an answer: 1.0 if it ends in the right result, else 0.0."""
        marker = "Answer:"
        pos = answer.rfind(marker)
        if pos >= 0:
            answer = answer[pos + len(marker) :]
        numbers = []
        current = ""
        for ch in answer + " ":
            if ch in "0123456789":
                current += ch
            else:
                if current not in ("", "-"):
                    numbers.append(int(current))
                current = "-" if ch == "-" else ""
        if len(numbers) == 0:
            return 0.0
        for number in numbers:
            if number != result:
                return 0.0
        return 1.0


@right("11a.verifier")
class LenAndAll:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = list(map(int, re.findall("[-]?[0-9]+", part)))
        return float(len(nums) > 0 and all(n == result for n in nums))


@right("11a.verifier")
class ReturnsBool:
    def verifier(answer, result):
        found = re.findall(r"-?\d+", answer.rsplit("Answer:", 1)[-1])
        return bool(found) and set(map(int, found)) == {result}


@right("11a.verifier")
class WhileCutsMarkers:
    def verifier(answer, result):
        while "Answer:" in answer:
            answer = answer[answer.index("Answer:") + 7 :]
        seen = False
        for m in re.finditer(r"-?\d+", answer):
            if int(m.group()) != result:
                return 0.0
            seen = True
        return 1.0 if seen else 0.0


@right("11a.verifier")
class GreedyDotAll:
    def verifier(answer, result):
        m = re.match(r".*Answer:(.*)", answer, flags=re.DOTALL)
        text = m.group(1) if m else answer
        values = [int(v) for v in re.findall(r"-?\d+", text)]
        if not values:
            return 0.0
        return float(min(values) == max(values) == result)


@right("11a.verifier")
class GroupbyDigits:
    def verifier(answer, result):
        tail = answer.split("Answer:").pop()
        groups = ["".join(g) for _, g in itertools.groupby(tail, key=str.isdigit)]
        numbers = set()
        for i, g in enumerate(groups):
            if g.isdigit():
                sign = -1 if i > 0 and groups[i - 1].endswith("-") else 1
                numbers.add(sign * int(g))
        return 1.0 if numbers == {result} else 0.0


@right("11a.verifier")
class NumpyUnique:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        u = np.unique(np.array([int(s) for s in re.findall(r"-?\d+", tail)], dtype=np.int64))
        return np.float64(u.size == 1 and u[0] == result)


@right("11a.verifier")
class FullmatchOneRegex:
    def verifier(answer, result):
        other = r"(?:[^\d-]|-(?!\d))*"
        right = ("-" if result < 0 else "") + "0*" + str(abs(result)) + r"(?!\d)"
        return float(bool(re.fullmatch(f"{other}(?:{right}{other})+", answer.split("Answer:")[-1])))


@right("11a.verifier")
class RecursiveSearch:
    def verifier(answer, result):
        def tail(text):
            before, sep, after = text.partition("Answer:")
            return tail(after) if sep else before

        def only(text, seen):
            m = re.search(r"-?\d+", text)
            if m is None:
                return seen
            return int(m.group()) == result and only(text[m.end() :], True)

        return 1.0 if only(tail(answer), False) else 0.0


@right("11a.verifier")
class ReplacesNonNumberCharacters:
    def verifier(answer, result):
        # 1. keep only what comes after the last "Answer:"
        parts = answer.split("Answer:")
        last_part = parts[len(parts) - 1]
        # 2. every character that is no digit and no sign becomes a space
        cleaned = ""
        for i in range(len(last_part)):
            c = last_part[i]
            if c.isdigit():
                cleaned = cleaned + c
            elif c == "-" and i + 1 < len(last_part) and last_part[i + 1].isdigit():
                cleaned = cleaned + " -"
            else:
                cleaned = cleaned + " "
        # 3. count
        right = 0
        wrong = 0
        for word in cleaned.split():
            if int(word) == result:
                right = right + 1
            else:
                wrong = wrong + 1
        if right >= 1 and wrong == 0:
            return 1.0
        else:
            return 0.0


@right("11a.verifier")
class ReadsDecimalsToo:
    def verifier(answer, result):
        from fractions import Fraction

        text = answer[answer.rfind("Answer:") + 7 :] if "Answer:" in answer else answer
        nums = {Fraction(x) for x in re.findall(r"-?\d+(?:\.\d+)?", text)}
        return float(nums == {Fraction(result)})


@right("11a.verifier")
class CountsMatchesTwice:
    def verifier(answer, result):
        nums = re.findall(r"(?<!\d)-?\d+", answer.split("Answer:")[-1])
        hits = sum(int(n) == result for n in nums)
        return float(hits == len(nums) != 0)


@right("11a.verifier")
class TryPopFromSet:
    def verifier(answer, result):
        nums = {*map(int, re.findall(r"-?\d+", answer[answer.rfind("Answer:") + 1 :]))}
        try:
            (only,) = nums
        except ValueError:
            return 0.0
        return torch.tensor(only == result).float().item()


@right("11a.verifier")
class LetterByLetter:
    def verifier(answer, result):
        digits, seen = "", []
        for letter in answer.split("Answer:")[-1] + " ":
            if letter.isdigit():
                digits += letter
            elif digits:
                seen.append(int(digits))
                digits = ""
        return float(bool(seen) and all(number == result for number in seen))
