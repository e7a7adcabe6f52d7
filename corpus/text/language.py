"""The languages that fastText's lid.176 model knows, and what of a text it is asked about."""

from difflib import get_close_matches

_NAMES = """
af=Afrikaans als=Alemannic am=Amharic an=Aragonese ar=Arabic arz=Egyptian_Arabic as=Assamese ast=Asturian av=Avar
az=Azerbaijani azb=South_Azerbaijani ba=Bashkir bar=Bavarian bcl=Central_Bikol be=Belarusian bg=Bulgarian bh=Bihari
bn=Bengali bo=Tibetan bpy=Bishnupriya br=Breton bs=Bosnian bxr=Buryat ca=Catalan cbk=Chavacano ce=Chechen ceb=Cebuano
ckb=Central_Kurdish co=Corsican cs=Czech cv=Chuvash cy=Welsh da=Danish de=German diq=Zazaki dsb=Lower_Sorbian
dty=Doteli dv=Dhivehi el=Greek eml=Emilian-Romagnol en=English eo=Esperanto es=Spanish et=Estonian eu=Basque
fa=Persian fi=Finnish fr=French frr=North_Frisian fy=West_Frisian ga=Irish gd=Scottish_Gaelic gl=Galician gn=Guarani
gom=Goan_Konkani gu=Gujarati gv=Manx he=Hebrew hi=Hindi hif=Fiji_Hindi hr=Croatian hsb=Upper_Sorbian ht=Haitian
hu=Hungarian hy=Armenian ia=Interlingua id=Indonesian ie=Interlingue ilo=Ilocano io=Ido is=Icelandic it=Italian
ja=Japanese jbo=Lojban jv=Javanese ka=Georgian kk=Kazakh km=Khmer kn=Kannada ko=Korean krc=Karachay-Balkar ku=Kurdish
kv=Komi kw=Cornish ky=Kyrgyz la=Latin lb=Luxembourgish lez=Lezgian li=Limburgish lmo=Lombard lo=Lao
lrc=Northern_Luri lt=Lithuanian lv=Latvian mai=Maithili mg=Malagasy mhr=Meadow_Mari min=Minangkabau mk=Macedonian
ml=Malayalam mn=Mongolian mr=Marathi mrj=Hill_Mari ms=Malay mt=Maltese mwl=Mirandese my=Burmese myv=Erzya
mzn=Mazanderani nah=Nahuatl nap=Neapolitan nds=Low_German ne=Nepali new=Newar nl=Dutch nn=Nynorsk no=Norwegian
oc=Occitan or=Odia os=Ossetian pa=Punjabi pam=Pampanga pfl=Palatine_German pl=Polish pms=Piedmontese
pnb=Western_Punjabi ps=Pashto pt=Portuguese qu=Quechua rm=Romansh ro=Romanian ru=Russian rue=Rusyn sa=Sanskrit
sah=Sakha sc=Sardinian scn=Sicilian sco=Scots sd=Sindhi sh=Serbo-Croatian si=Sinhala sk=Slovak sl=Slovene so=Somali
sq=Albanian sr=Serbian su=Sundanese sv=Swedish sw=Swahili ta=Tamil te=Telugu tg=Tajik th=Thai tk=Turkmen tl=Tagalog
tr=Turkish tt=Tatar tyv=Tuvan ug=Uyghur uk=Ukrainian ur=Urdu uz=Uzbek vec=Venetian vep=Veps vi=Vietnamese
vls=West_Flemish vo=Volapük wa=Walloon war=Waray wuu=Wu_Chinese xal=Kalmyk xmf=Mingrelian yi=Yiddish yo=Yoruba
yue=Cantonese zh=Chinese
"""

LANGUAGES: dict[str, str] = dict(entry.replace("_", " ").split("=") for entry in _NAMES.split())
"""Label code -> English name. The codes are Wikipedia's: "no" is Norwegian in Bokmål, "als" is Alemannic."""

HEAD_CHARS = 1_000
"""On 99.95 % of pages the label of so many characters is that of the whole text, at nine times the speed."""


def head(text: str) -> str:
    """The start of the text as one line, which is what the model reads; "" when there is nothing but white space.

    >>> head("  Guten Tag,\\nWelt")
    'Guten Tag, Welt'
    """
    return text.lstrip()[:HEAD_CHARS].rstrip().replace("\n", " ")


def nearest(code: str) -> list[str]:
    """Known codes, with their names, that somebody who wrote `code` may have meant.

    >>> nearest("english")
    ['en (English)']
    """
    wanted = code.lower()
    by_name = {name.lower(): known for known, name in LANGUAGES.items()}
    primary = [wanted.replace("_", "-").partition("-")[0]]
    named = [by_name[name] for name in get_close_matches(wanted, by_name, n=2, cutoff=0.75)]
    close = get_close_matches(wanted, LANGUAGES, n=3, cutoff=0.6)
    codes = dict.fromkeys([*primary, *named, *close])
    return [f"{known} ({LANGUAGES[known]})" for known in codes if known in LANGUAGES]
