"""Countries and ages of Book-Crossing's readers as words."""

import numpy as np
import pandas as pd

from lib.data.rated.ratings import UNKNOWN

# what readers write for one country, in lower case and with spaces for all that is no letter or digit
COUNTRIES = {
    "united states": "usa", "united states of america": "usa", "us": "usa", "america": "usa", "u s a": "usa",
    "uk": "united kingdom", "england": "united kingdom", "scotland": "united kingdom", "wales": "united kingdom",
    "northern ireland": "united kingdom", "great britain": "united kingdom", "u k": "united kingdom",
    "espaa": "spain", "espaaa": "spain", "deutschland": "germany", "italia": "italy", "brasil": "brazil",
    "la france": "france", "the netherlands": "netherlands", "holland": "netherlands", "pr china": "china",
    "people s republic of china": "china", "viet nam": "vietnam", "korea": "south korea", "urugua": "uruguay",
    "trinidad and tobago": "trinidad", "new zealand": "new zealand", "nz": "new zealand", "schweiz": "switzerland",
    "österreich": "austria", "oesterreich": "austria", "méxico": "mexico", "russian federation": "russia",
}  # fmt: skip
NOWHERE = {"", "n a", "na", "nan", "none", "null", "far away", "universe", "earth", "world", "here", "home", "x"}
AGES = {0: "under 18", 18: "18-24"} | {age: f"{age}-{age + 4}" for age in range(25, 60, 5)} | {60: "60 or older"}
KNOWN_AGES = (5, 100)  # others are jokes


def countries(places: pd.Series) -> pd.Series:
    """'Usa' of 'nyc, new york, usa': the last part, spelt one way; unknown where only one reader names it."""
    names = places.fillna("").str.rpartition(",")[2].str.lower()
    names = names.str.replace(r"[^\w]+", " ", regex=True).str.strip().replace(COUNTRIES)
    # a country that one reader names alone is nearly always a joke or a slip
    often = names.map(names.value_counts()) > 1
    known = often & ~names.isin(NOWHERE) & names.str.fullmatch(r"[^\W\d_]+( [^\W\d_]+)*") & (names.str.len() > 2)
    return names.str.title().where(known, UNKNOWN)


def age_bands(ages: pd.Series) -> pd.Series:
    """'25-29' of an age written as text; unknown where it is missing or cannot be meant."""
    numbers = pd.to_numeric(ages.astype("string").str.strip(' "'), errors="coerce").astype(float).to_numpy()
    known = (numbers >= KNOWN_AGES[0]) & (numbers <= KNOWN_AGES[1])
    place = np.searchsorted([*AGES], np.where(known, numbers, 0), side="right") - 1
    return pd.Series(np.array([*AGES.values()])[place], index=ages.index).where(known, UNKNOWN)
