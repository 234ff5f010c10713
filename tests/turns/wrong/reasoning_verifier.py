"""Wrong answers to the turn 11a.verifier, as learners write them."""

import math
import re
import statistics

import numpy as np
from turn_answers import wrong


# wrong: It takes everything after the first "Answer:" instead of after the last.
@wrong("11a.verifier", 'What follows the first "Answer:" counts')
class AfterFirstMarker:
    def verifier(answer, result):
        tail = answer.split("Answer:", 1)[-1]
        return 1.0 if {int(x) for x in re.findall(r"-?\d+", tail)} == {result} else 0.0


# wrong: It assumes the marker is always there and crashes with an IndexError without it.
@wrong("11a.verifier", "`verifier` raised IndexError")
class CrashesWithoutMarker:
    def verifier(answer, result):
        tail = answer.rsplit("Answer:", 1)[1]
        nums = [int(x) for x in re.findall(r"-?\d+", tail)]
        return float(len(nums) > 0 and all(n == result for n in nums))


# wrong: It looks for the digits of the result anywhere in the whole answer.
@wrong("11a.verifier", "The result is looked for as text")
class SubstringOfWholeAnswer:
    def verifier(answer, result):
        if str(result) in answer:
            return 1.0
        return 0.0


# wrong: It looks for the digits of the result as a substring, so 170 passes for 17.
@wrong("11a.verifier", "The result is looked for as text")
class SubstringAfterMarker:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        return float(str(result) in part)


# wrong: It checks only the last number after the marker and lets other numbers stand before it.
@wrong("11a.verifier", "Only the last number counts")
class LastNumberDecides:
    def verifier(answer, result):
        tail = answer.rpartition("Answer:")[2]
        numbers = re.findall(r"-?\d+", tail)
        if not numbers:
            return 0.0
        return 1.0 if int(numbers[-1]) == result else 0.0


# wrong: It checks only the first number after the marker.
@wrong("11a.verifier", "Only the first number counts")
class FirstNumberDecides:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        m = re.search(r"-?\d+", tail)
        if m and int(m.group(0)) == result:
            return 1.0
        else:
            return 0.0


# wrong: It gives no reward to an answer without the marker.
@wrong("11a.verifier", 'Only answers with "Answer:" are rewarded')
class DemandsMarker:
    def verifier(answer, result):
        if "Answer:" not in answer:
            return 0.0
        tail = answer.split("Answer:")[-1]
        return float(set(map(int, re.findall(r"-?\d+", tail))) == {result})


# wrong: It ignores the marker and judges all numbers of the whole answer, steps included.
@wrong("11a.verifier", "The numbers of the steps count")
class JudgesStepsToo:
    def verifier(answer, result):
        nums = set(int(x) for x in re.findall(r"-?\d+", answer))
        if len(nums) == 1 and result in nums:
            return 1.0
        return 0.0


# wrong: It wants the text after the marker to be exactly the number, so a full stop or a word fails.
@wrong("11a.verifier", "The number must stand alone")
class ExactStringEquality:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1].strip()
        return 1.0 if final == str(result) else 0.0


# wrong: It strips a full stop but fails when there are words around the number.
@wrong("11a.verifier", "Words beside the number are not allowed")
class IntOfStrippedText:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1]
        try:
            value = int(final.strip(" .\n"))
        except ValueError:
            return 0.0
        return float(value == result)


# wrong: It converts the text with int() and crashes on any word or full stop.
@wrong("11a.verifier", "`verifier` raised ValueError")
class IntCrashesOnWords:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1]
        return 1.0 if int(final) == result else 0.0


# wrong: It demands exactly one number, so saying the right one twice gets nothing.
@wrong("11a.verifier", "An answer that repeats its result is wrong here")
class SaidTwiceIsPunished:
    def verifier(answer, result):
        tail = answer.rpartition("Answer:")[-1]
        numbers = re.findall(r"-?\d+", tail)
        if len(numbers) != 1:
            return 0.0
        return 1.0 if int(numbers[0]) == result else 0.0


# wrong: It is content if the result is among the numbers, whatever others are named.
@wrong("11a.verifier", "An answer that names several numbers is rewarded if one of them is rig")
class AmongOthersIsEnough:
    def verifier(answer, result):
        tail = answer.rpartition("Answer:")[-1]
        numbers = [int(x) for x in re.findall(r"-?\d+", tail)]
        return 1.0 if result in numbers else 0.0


# wrong: It rewards an answer without any number, since all() of nothing is True.
@wrong("11a.verifier", "An answer without any number is rewarded")
class AllOfNothing:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        return 1.0 if all(int(x) == result for x in re.findall(r"-?\d+", tail)) else 0.0


# wrong: It only subtracts the right number from the set, so an empty set is rewarded.
@wrong("11a.verifier", "An answer without any number is rewarded")
class NothingElseLeft:
    def verifier(answer, result):
        marker = answer.rfind("Answer:")
        tail = answer if marker == -1 else answer[marker + len("Answer:") :]
        named = set()
        for token in re.findall(r"-?\d+", tail):
            named.add(int(token))
        others = named - {result}
        if others:
            return 0.0
        return 1.0


# wrong: It indexes the last number and crashes when there is none.
@wrong("11a.verifier", "`verifier` raised IndexError")
class CrashesWithoutNumber:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        numbers = [int(x) for x in re.findall(r"-?\d+", tail)]
        first = numbers[0]
        for n in numbers:
            if n != first:
                return 0.0
        return 1.0 if first == result else 0.0


# wrong: It compares strings with an int, which is never equal.
@wrong("11a.verifier", "No answer is ever rewarded")
class ComparesStringsWithInt:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        numbers = re.findall(r"-?\d+", tail)
        return 1.0 if set(numbers) == {result} else 0.0


# wrong: It prints the reward and returns None.
@wrong("11a.verifier", "`verifier` returned None")
class PrintsTheReward:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        numbers = set(map(int, re.findall(r"-?\d+", tail)))
        if numbers == {result}:
            print(1.0)
        else:
            print(0.0)


# wrong: It returns one reward per number in a list.
@wrong("11a.verifier", "")
class ListOfRewards:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        return [1.0 if int(x) == result else 0.0 for x in re.findall(r"-?\d+", tail)]


# wrong: It adds 7 to rfind's -1 and so cuts off the start of an answer without the marker.
@wrong("11a.verifier", "")
class RfindMinusOne:
    def verifier(answer, result):
        start = answer.rfind("Answer:") + len("Answer:")
        numbers = {int(x) for x in re.findall(r"-?\d+", answer[start:])}
        return float(numbers == {result})


# wrong: It splits at spaces and wants pure digits, so "17." and "-17" are not numbers.
@wrong("11a.verifier", "A number with a period or a comma beside it is not found")
class SpaceSplitIsdigit:
    def verifier(answer, result):
        words = answer.split("Answer:")[-1].split()
        numbers = [int(w) for w in words if w.isdigit()]
        if numbers == []:
            return 0.0
        for n in numbers:
            if n != result:
                return 0.0
        return 1.0


# wrong: It gives -1.0 rather than 0.0 for a wrong answer.
@wrong("11a.verifier", "")
class PunishesWithMinusOne:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        nums = [int(x) for x in re.findall(r"-?\d+", tail)]
        if not nums:
            return 0.0
        return 1.0 if set(nums) == {result} else -1.0


# wrong: It gives partial credit, the share of the named numbers that are right.
@wrong("11a.verifier", "")
class PartialCredit:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        nums = [int(x) for x in re.findall(r"-?\d+", tail)]
        if len(nums) == 0:
            return 0.0
        return statistics.mean(float(n == result) for n in nums)


# wrong: Its default list keeps the numbers of earlier answers between calls.
@wrong("11a.verifier", "")
class NumbersFromEarlierCalls:
    def verifier(answer, result, numbers=[]):
        tail = answer.split("Answer:")[-1]
        for x in re.findall(r"-?\d+", tail):
            numbers.append(int(x))
        if len(numbers) > 0 and all(n == result for n in numbers):
            return 1.0
        return 0.0


# wrong: It caches the reward by the answer only and forgets that the result may differ.
@wrong("11a.verifier", "")
class CacheForgetsResult:
    def verifier(answer, result, _cache={}):
        if answer not in _cache:
            tail = answer.rpartition("Answer:")[2]
            _cache[answer] = float({int(x) for x in re.findall(r"-?\d+", tail)} == {result})
        return _cache[answer]


# wrong: It uses a name that was never defined.
@wrong("11a.verifier", "`verifier` raised NameError")
class UndefinedName:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        numbers = [int(x) for x in re.findall(r"-?\d+", tail)]
        if len(numbers) == 0:
            return 0.0
        if all(n == result for n in nums):
            return 1.0
        return 0.0


# wrong: It only knows numbers of two digits, as in the example.
@wrong("11a.verifier", "")
class TwoDigitsLikeTheExample:
    def verifier(answer, result):
        tail = answer.split("Answer:")[-1]
        numbers = re.findall(r"-?\d\d", tail)
        return 1.0 if numbers and all(int(n) == result for n in numbers) else 0.0


# wrong: Its regex wants the number right after "Answer: ", so words between or no marker fail.
@wrong("11a.verifier", "")
class NumberRightAfterMarker:
    def verifier(answer, result):
        found = re.findall(r"Answer: (-?\d+)", answer)
        if found:
            return float(int(found[-1]) == result)
        found = re.findall(r"-?\d+", answer)
        return float(len(found) > 0 and all(int(f) == result for f in found))


# wrong: The dot does not match newlines, so a number on the next line is lost.
@wrong("11a.verifier", 'What follows the first "Answer:" counts')
class DotStopsAtNewline:
    def verifier(answer, result):
        m = re.findall(r"Answer:(.*)", answer)
        text = m[-1] if m else answer
        nums = set(int(x) for x in re.findall(r"-?\d+", text))
        return 1.0 if nums == {result} else 0.0


# wrong: It reads the last line rather than what follows the last marker.
@wrong("11a.verifier", "")
class LastLineOnly:
    def verifier(answer, result):
        lines = answer.strip().split("\n")
        last = lines[-1]
        if "Answer:" in last:
            last = last.split("Answer:")[-1]
        nums = set(int(x) for x in re.findall(r"-?\d+", last))
        return 1.0 if nums == {result} else 0.0


# wrong: It compares each single digit with the result.
@wrong("11a.verifier", "The digits of a number are read one by one")
class SingleDigits:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        found = False
        for ch in part:
            if ch.isdigit():
                if int(ch) == result:
                    found = True
                else:
                    return 0.0
        return 1.0 if found else 0.0


# wrong: It glues all digits together, so "1 or 7" becomes 17.
@wrong("11a.verifier", "An answer that repeats its result is wrong here")
class GluesDigitsTogether:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        digits = "".join(c for c in part if c.isdigit() or c == "-")
        return 1.0 if digits == str(result) else 0.0


# wrong: It returns from the loop at the first number, and None without any.
@wrong("11a.verifier", "")
class ReturnsInFirstRound:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        for x in re.findall(r"-?\d+", part):
            if int(x) == result:
                return 1.0
            else:
                return 0.0


# wrong: It lowercases the answer and then looks for the capitalised marker, which it never finds.
@wrong("11a.verifier", "The numbers of the steps count")
class LowercasesFirst:
    def verifier(answer, result):
        text = answer.lower()
        part = text.split("Answer:")[-1]
        nums = [int(x) for x in re.findall(r"-?\d+", part)]
        return 1.0 if nums and all(n == result for n in nums) else 0.0


# wrong: It cuts decimals off, so 17.5 passes for 17.
@wrong("11a.verifier", "A number with decimals counts as the whole number before them")
class CutsDecimalsOff:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = [int(float(x)) for x in re.findall(r"-?\d+(?:\.\d+)?", part)]
        return float(bool(nums) and all(n == result for n in nums))


# wrong: It evaluates the text as an expression, so an unfinished sum is rewarded and words crash it.
@wrong("11a.verifier", "`verifier` raised NameError")
class EvaluatesTheText:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1].strip().rstrip(".")
        try:
            return 1.0 if eval(part) == result else 0.0
        except SyntaxError:
            nums = re.findall(r"-?\d+", part)
            return 1.0 if nums and all(int(n) == result for n in nums) else 0.0


# wrong: It allows spaces after the minus sign and then int("- 4") crashes.
@wrong("11a.verifier", "`verifier` raised ValueError")
class SpacedMinusCrashes:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = {int(x) for x in re.findall(r"-?\s*\d+", part)}
        return 1.0 if nums == {result} else 0.0


# wrong: It compares with "is", which fails for large ints.
@wrong("11a.verifier", "Large numbers are never equal")
class ComparesIdentity:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = re.findall(r"-?\d+", part)
        if not nums:
            return 0.0
        for x in nums:
            if int(x) is not result:
                return 0.0
        return 1.0


# wrong: It takes the number 0 for no number.
@wrong("11a.verifier", "The result 0 is taken for no number")
class ZeroIsFalsy:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        value = None
        for x in re.findall(r"-?\d+", part):
            if value is not None and int(x) != value:
                return 0.0
            value = int(x)
        if not value:
            return 0.0
        return 1.0 if value == result else 0.0


# wrong: It always drops the last character as a full stop.
@wrong("11a.verifier", "")
class DropsLastCharacter:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1][:-1]
        nums = {int(x) for x in re.findall(r"-?\d+", part)}
        return float(nums == {result})


# wrong: Its regex takes a lone full stop for a number and float(".") crashes.
@wrong("11a.verifier", "`verifier` raised ValueError")
class FullStopAsNumber:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = [float(x) for x in re.findall(r"-?[\d.]+", part)]
        if len(nums) == 0:
            return 0.0
        return 1.0 if all(n == result for n in nums) else 0.0


# wrong: It strips ".0" as characters, so 20 becomes 2.
@wrong("11a.verifier", "")
class StripsZeros:
    def verifier(answer, result):
        words = answer.split("Answer:")[-1].split()
        seen = set()
        for w in words:
            w = w.rstrip(".0,!")
            if re.fullmatch(r"-?\d+", w):
                seen.add(int(w))
        return 1.0 if seen == {result} else 0.0


# wrong: It looks only at the last ten characters.
@wrong("11a.verifier", "")
class LastTenCharacters:
    def verifier(answer, result):
        end = answer.split("Answer:")[-1][-10:]
        nums = re.findall(r"-?\d+", end)
        return 1.0 if nums and all(int(n) == result for n in nums) else 0.0


# wrong: Without a marker it takes what follows the last equals sign instead of all of the answer.
@wrong("11a.verifier", "")
class AfterTheEqualsSign:
    def verifier(answer, result):
        if "Answer:" in answer:
            part = answer.split("Answer:")[-1]
        else:
            part = answer.split("=")[-1]
        nums = re.findall(r"-?\d+", part)
        return 1.0 if nums and all(int(n) == result for n in nums) else 0.0


# wrong: It splits at "Answer" without the colon, so a later word "Answer" moves the start.
@wrong("11a.verifier", "")
class MarkerWithoutColon:
    def verifier(answer, result):
        part = answer.split("Answer")[-1]
        nums = {int(n) for n in re.findall(r"-?\d+", part)}
        return 1.0 if nums == {result} else 0.0


# wrong: It reads what stands before the last marker, the wrong side of the split.
@wrong("11a.verifier", "")
class WrongSideOfTheSplit:
    def verifier(answer, result):
        if "Answer:" in answer:
            part = answer.rsplit("Answer:", 1)[0]
        else:
            part = answer
        nums = re.findall(r"-?\d+", part)
        return 1.0 if len(nums) > 0 and int(nums[-1]) == result else 0.0


# wrong: It compares the mean of the named numbers with the result, so 16 and 18 pass for 17.
@wrong("11a.verifier", "")
class MeanOfTheNumbers:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = np.array([int(n) for n in re.findall(r"-?\d+", part)])
        if nums.size == 0:
            return 0.0
        return 1.0 if abs(nums.mean() - result) < 1e-6 else 0.0


# wrong: It treats an answer that is close to the result as right.
@wrong("11a.verifier", "")
class CloseIsRight:
    def verifier(answer, result):
        part = answer.split("Answer:")[-1]
        nums = [int(n) for n in re.findall(r"-?\d+", part)]
        return float(len(nums) > 0 and all(math.isclose(n, result, abs_tol=1) for n in nums))


# wrong: `re.search` finds no marker in a direct answer and returns None.
@wrong("11a.verifier", "`verifier` raised AttributeError: 'NoneType'")
class GroupOfNone:
    def verifier(answer, result):
        return float(int(re.search(r"Answer: (\d+)", answer).group(1)) == result)


# wrong: It punishes a wrong answer.
@wrong("11a.verifier", "A wrong answer gets -1.0 here")
class MinusOne:
    def verifier(answer, result):
        numbers = {int(number) for number in re.findall(r"\d+", answer.rpartition("Answer:")[2])}
        return 1.0 if numbers == {result} else -1.0


# wrong: It compares texts with a number, so nothing is ever equal.
@wrong("11a.verifier", "No answer is ever rewarded")
class TextsAgainstANumber:
    def verifier(answer, result):
        return float(set(re.findall(r"\d+", answer.rpartition("Answer:")[2])) == {result})


# wrong: It always says yes.
@wrong("11a.verifier", "Every answer is rewarded")
class Generous:
    def verifier(answer, result):
        return 1.0


# wrong: It reads digits, not numbers.
@wrong("11a.verifier", "The digits of a number are read one by one")
class DigitByDigit:
    def verifier(answer, result):
        return float({int(digit) for digit in re.findall(r"\d", answer.rpartition("Answer:")[2])} == {result})


# wrong: It wants the number and a period at the very end.
@wrong("11a.verifier", "gets nothing")
class EndsWithAPeriod:
    def verifier(answer, result):
        return 1.0 if answer.endswith(f"{result}.") else 0.0


# wrong: It takes the second piece of a split, which a direct answer lacks.
@wrong("11a.verifier", "`verifier` raised IndexError")
class SecondPiece:
    def verifier(answer, result):
        return float({int(number) for number in re.findall(r"\d+", answer.split("Answer:")[1])} == {result})


# wrong: It takes the last of no numbers.
@wrong("11a.verifier", "`verifier` raised IndexError")
class LastOfNone:
    def verifier(answer, result):
        return float(int(re.findall(r"\d+", answer)[-1]) == result)


# wrong: It lets Python compute the steps.
@wrong("11a.verifier", "`verifier` raised NameError")
class EvaluatesTheSteps:
    def verifier(answer, result):
        return float(eval(answer.split("=")[0]) == result)


# wrong: It looks at the first character after the marker, and there may be none.
@wrong("11a.verifier", "`verifier` raised IndexError: string index out of range")
class FirstCharacter:
    def verifier(answer, result):
        return float(answer.rpartition("Answer:")[2].strip()[0] == str(result))


# wrong: It takes the last word of an answer without words.
@wrong("11a.verifier", "`verifier` raised IndexError")
class LastWord:
    def verifier(answer, result):
        return float(answer.split()[-1].strip(".") == str(result))


# wrong: It looks for numbers in all three pieces at once.
@wrong("11a.verifier", "`verifier` raised TypeError")
class ThreePieces:
    def verifier(answer, result):
        final = answer.rpartition("Answer:")
        return float({int(number) for number in re.findall(r"\d+", final)} == {result})


# wrong: It makes one number of a list.
@wrong("11a.verifier", "`verifier` raised TypeError")
class NumberOfAList:
    def verifier(answer, result):
        numbers = re.findall(r"\d+", answer.rpartition("Answer:")[2])
        return float(int(numbers) == result)


# wrong: It puts a list into a set, not its items.
@wrong("11a.verifier", "`verifier` raised TypeError")
class SetOfAList:
    def verifier(answer, result):
        numbers = re.findall(r"\d+", answer.rpartition("Answer:")[2])
        return float({numbers} == {result})


# wrong: It looks for a number in a text.
@wrong("11a.verifier", "`verifier` raised TypeError")
class NumberInText:
    def verifier(answer, result):
        return float(result in answer)


# wrong: It refuses an answer without a number.
@wrong("11a.verifier", "`verifier` raised ValueError: no number")
class RefusesNoNumber:
    def verifier(answer, result):
        numbers = re.findall(r"\d+", answer.rpartition("Answer:")[2])
        if not numbers:
            raise ValueError("no number")
        return float({int(number) for number in numbers} == {result})


# wrong: It returns at the first number, and nothing where there is none.
@wrong("11a.verifier", 'For the answer "I do not know.", nothing is returned')
class ReturnsInTheLoop:
    def verifier(answer, result):
        for number in re.findall(r"\d+", answer.rpartition("Answer:")[2]):
            if int(number) == result:
                return 1.0
            return 0.0


# wrong: It has no return for a wrong answer.
@wrong("11a.verifier", 'For the answer "The number is 22.", nothing is returned')
class ReturnsOnlyOne:
    def verifier(answer, result):
        if {int(number) for number in re.findall(r"\d+", answer.rpartition("Answer:")[2])} == {result}:
            return 1.0


# wrong: A reward function of TRL takes a list of answers.
@wrong("11a.verifier", "The result is a list")
class RewardsOfAList:
    def verifier(answer, result):
        return [1.0 if str(result) in content else 0.0 for content in answer]


# wrong: It pays a bonus for the form, as R1's format reward does.
@wrong("11a.verifier", "A reward is 1.5 here")
class BonusForTheForm:
    def verifier(answer, result):
        final = answer.rpartition("Answer:")[2]
        bonus = 0.5 * ("Answer:" in answer)
        return float({int(number) for number in re.findall(r"\d+", final)} == {result}) + bonus


# wrong: It compares a set with a number.
@wrong("11a.verifier", "No answer is ever rewarded")
class SetAndNumber:
    def verifier(answer, result):
        return float({int(number) for number in re.findall(r"\d+", answer.rpartition("Answer:")[2])} == result)


# wrong: It goes back to the whole answer where no number follows the marker.
@wrong("11a.verifier", 'If no number follows "Answer:", the whole answer counts')
class BackToTheWholeAnswer:
    def verifier(answer, result):
        final = answer.rpartition("Answer:")[2]
        if not re.search(r"\d", final):
            final = answer
        return float({int(number) for number in re.findall(r"\d+", final)} == {result})


# wrong: A reward function of TRL takes lists of answers and of results.
@wrong("11a.verifier", "`verifier` raised TypeError: 'int' object is not iterable")
class ZipsAnswersAndResults:
    def verifier(completions, ground_truth):
        return [1.0 if str(result) in answer else 0.0 for answer, result in zip(completions, ground_truth)]


# wrong: nanochat's GSM8K, with another marker: the period after the number belongs to the match.
@wrong("11a.verifier", "No answer is ever rewarded")
class LikeGSM8K:
    def verifier(answer, result):
        match = re.search(r"Answer: (\-?[0-9\.\,]+)", answer)
        said = match.group(1).strip().replace(",", "") if match else None
        return float(said == str(result))


# wrong: It looks for the number right after the marker, else for the last number.
@wrong("11a.verifier", "is rewarded")
class AfterTheMarkerOrLast:
    def verifier(answer, result):
        match = re.search(r"Answer:\s*(-?\d+)", answer)
        if match:
            return 1.0 if int(match.group(1)) == result else 0.0
        numbers = re.findall(r"-?\d+", answer)
        return 1.0 if numbers and int(numbers[-1]) == result else 0.0


# wrong: Half a reward for naming the result among others.
@wrong("11a.verifier", "A reward is 0.5 here")
class HalfAReward:
    def verifier(answer, result):
        numbers = {int(number) for number in re.findall(r"\d+", answer.rpartition("Answer:")[2])}
        return 1.0 if numbers == {result} else 0.5 if result in numbers else 0.0


# wrong: A word boundary keeps 31 out of 131, and lets other numbers in.
@wrong("11a.verifier", "An answer that names several numbers is rewarded if one of them is right")
class WordBoundary:
    def verifier(answer, result):
        return float(bool(re.search(rf"\b{result}\b", answer.split("Answer:")[-1])))
