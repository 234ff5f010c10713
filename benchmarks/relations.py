"""Items of the relations that `lens.py` asks for: a word that stands in the prompt, and the word that should follow."""

from minillm.analysis.surgery.meters import CAPITALS

Item = tuple[str, str]


def pairs_of(words: str) -> list[Item]:
    """Neighboring words as pairs; `_` stands for a space.

    >>> pairs_of("Italy Rome India New_Delhi")
    [('Italy', 'Rome'), ('India', 'New Delhi')]
    """
    listed = [word.replace("_", " ") for word in words.split()]
    return list(zip(listed[::2], listed[1::2], strict=True))


MORE_CAPITALS = pairs_of(
    "Turkey Ankara Syria Damascus Israel Jerusalem Lebanon Beirut Jordan Amman Ukraine Kyiv Finland Helsinki "
    "Denmark Copenhagen Belgium Brussels Hungary Budapest Romania Bucharest Bulgaria Sofia Serbia Belgrade "
    "Croatia Zagreb Switzerland Bern Netherlands Amsterdam Scotland Edinburgh Wales Cardiff England London "
    "Iceland Reykjavik Canada Ottawa Australia Canberra Thailand Bangkok Vietnam Hanoi Indonesia Jakarta "
    "Malaysia Kuala_Lumpur Philippines Manila India New_Delhi Pakistan Islamabad Afghanistan Kabul Nepal Kathmandu "
    "Bangladesh Dhaka Taiwan Taipei Korea Seoul Chile Santiago Argentina Buenos_Aires Brazil Brasília Colombia Bogotá "
    "Venezuela Caracas Ecuador Quito Bolivia La_Paz Jamaica Kingston Haiti Port-au-Prince Morocco Rabat "
    "Algeria Algiers Libya Tripoli Tunisia Tunis Sudan Khartoum Ethiopia Addis_Ababa Uganda Kampala "
    "Ghana Accra Nigeria Abuja Zimbabwe Harare Zambia Lusaka Somalia Mogadishu Mexico Mexico_City "
    "Czech Prague Estonia Tallinn Latvia Riga Lithuania Vilnius Armenia Yerevan Georgia Tbilisi Cambodia Phnom_Penh "
    "Mongolia Ulaanbaatar Senegal Dakar Angola Luanda Rwanda Kigali"
)
LANGUAGES = pairs_of(
    "France French Italy Italian Spain Spanish Germany German Russia Russian China Chinese Japan Japanese "
    "Egypt Arabic Greece Greek Iraq Arabic Iran Persian Austria German Poland Polish Portugal Portuguese "
    "Norway Norwegian Sweden Swedish Cuba Spanish Peru Spanish Kenya Swahili Turkey Turkish Syria Arabic "
    "Israel Hebrew Ukraine Ukrainian Finland Finnish Denmark Danish Hungary Hungarian Romania Romanian "
    "Brazil Portuguese Thailand Thai Vietnam Vietnamese Mexico Spanish Argentina Spanish Chile Spanish "
    "Netherlands Dutch Iceland Icelandic Bulgaria Bulgarian Korea Korean Pakistan Urdu Morocco Arabic "
    "England English Australia English Canada English Indonesia Indonesian"
)
PLURALS = pairs_of(
    "cat cats dog dogs car cars book books house houses tree trees bird birds hand hands eye eyes king kings "
    "river rivers door doors girl girls boy boys table tables chair chairs window windows letter letters "
    "friend friends star stars horse horses cow cows egg eggs apple apples road roads child children man men "
    "woman women foot feet mouse mice cup cups hat hats ship ships song songs"
)
PAST = pairs_of(
    "walk walked talk talked look looked play played want wanted work worked call called ask asked go went "
    "see saw take took give gave run ran write wrote eat ate sing sang drink drank swim swam buy bought "
    "think thought bring brought teach taught sleep slept speak spoke drive drove open opened help helped "
    "cook cooked jump jumped laugh laughed fall fell fly flew win won lose lost"
)
OPPOSITES = pairs_of(
    "hot cold big small old new good bad high low long short hard soft light dark fast slow rich poor up down "
    "left right day night black white open closed strong weak wet dry happy sad early late true false "
    "love hate war peace life death north south east west inside outside young old large small thick thin"
)
RELATIONS: dict[str, tuple[str, list[Item]]] = {
    "capitals": ("The capital of {} is", [*CAPITALS.items(), *MORE_CAPITALS]),
    "languages": ("The official language of {} is", LANGUAGES),
    "plurals": ("One {}, two", PLURALS),
    "past tense": ("Today I {}, yesterday I", PAST),
    "opposites": ("The opposite of {} is", OPPOSITES),
}
SENTENCES = (  # whose last token is the " is" of the capitals
    "The weather today is", "My favorite food is", "The name of the dog is", "The best way to learn is",
    "The color of the sky is", "What I want most is", "The old house on the hill is", "The first rule of cooking is",
    "Her oldest brother is", "The price of the ticket is",
)  # fmt: skip
