"""Default parameters, chosen with each data set left out: `python -m tests.benchmarks.defaults`.

    python -m tests.benchmarks.defaults deskdrop ml-latest-small

Measures every candidate section of each generator by itself, NDCG@20 on the holdout of each public
data set's training part, and keeps the figures in defaults.json beside this file; what is there
is not measured again. Then prints, for each data set, what the others choose, and what all choose,
which is what should be shipped. The rows *default* of `tests.benchmarks.quality` use the former, so
no test part, and nothing of a data set, has a say in its own defaults.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.fitting import fit_generator
from jobs.run.settings import load_config
from jobs.tuning.tuner import with_sections
from recsys.arrays import Floats, Ints
from recsys.config import Config
from recsys.dataset.training import Holdout
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.evaluation.significance import Gain
from recsys.generators.contract import GeneratorConfig
from recsys.generators.registry import GENERATORS
from recsys.lists.ranker import ranked_lists
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.ranking.stack import seen
from recsys.sections.base import READ_PLACES
from tests.benchmarks.public_sets import REPOSITORY, SETS

FILE: Final = Path(__file__).with_suffix(".json")
TEACHERS: Final = tuple(SETS)
"""Sets that defaults are chosen on. The made market counts too: of the public sets only two have
times, and each would be all that teaches the other."""

Fields = Mapping[str, Any]
CANDIDATES: Final[Mapping[str, Sequence[Fields]]] = {
    "als": (
        {
            "factors": 64,
            "alpha": 5.0,
            "regularization": 5.0,
            "popularity_exponent": 0.0,
            "half_life_days": "never",
        },
        {"factors": 64, "alpha": 20.0, "regularization": 100.0},
        {"factors": 128, "alpha": 20.0, "regularization": 100.0, "half_life_days": "never"},
        {"factors": 128, "alpha": 20.0, "regularization": 100.0},
        {"factors": 256, "alpha": 20.0, "regularization": 100.0},
    ),
    "graph": (
        {
            "from_exponent": 0.5,
            "to_exponent": 0.5,
            "user_exponent": 1.0,
            "half_life_days": "never",
        },
        {"from_exponent": 0.5, "to_exponent": 0.4, "user_exponent": 0.4, "half_life_days": "never"},
        {"from_exponent": 0.5, "to_exponent": 0.4, "user_exponent": 0.4},
        {"from_exponent": 0.5, "to_exponent": 0.4, "user_exponent": 0.4, "neighbours": 1000},
        {"from_exponent": 0.5, "to_exponent": 0.4, "user_exponent": 0.4, "neighbours": 200},
        {"from_exponent": 0.5, "to_exponent": 0.3, "user_exponent": 0.3},
        {"from_exponent": 0.5, "to_exponent": 0.4, "user_exponent": 0.4, "power": 0.8},
        {"from_exponent": 0.5, "to_exponent": 0.4, "user_exponent": 0.4, "power": 1.2},
    ),
    "item_item": (
        {"user_exponent": 0.0, "half_life_days": "never"},
        {"user_exponent": 0.3, "half_life_days": "never"},
        {"user_exponent": 0.3},
    ),
    "popularity": ({"half_life_days": "never"}, {"half_life_days": "auto"}),
    "content": (
        {"word_weight": 1.0, "attribute_weight": 1.0},
        {"word_weight": 0.3, "attribute_weight": 0.3},
        {"word_weight": 0.3, "attribute_weight": 1.0},
        {"word_weight": 1.0, "attribute_weight": 0.3},
    ),
    "trending": tuple({"half_life_days": days} for days in (30.0, 14.0, 7.0, 3.0, 1.0)),
}
"""Sections to choose from, by generator. The first is the plain form of the method's source: others
are chosen where they gain over it. Generators that are not here are used as they are shipped."""


class Measured(BaseModel):
    """NDCG@20 of a generator by itself on the holdout of a data set's training part."""

    model_config = ConfigDict(frozen=True)

    data_set: str
    generator: str
    section: dict[str, Any]
    """All fields but the weight."""
    seed: int
    users: int
    ndcg: float
    gain: float
    """Mean over users of what it gains over the generator's first candidate."""
    error: float
    """Standard error of the gain."""
    seconds: float
    """Fit and lists."""

    @property
    def worth(self) -> float:
        """Gain beyond its standard error, relative to the first candidate; 0 within the error.

        So a small data set, whose figures are mostly chance, has little say.
        """
        base = self.ndcg - self.gain
        beyond = max(abs(self.gain) - self.error, 0.0)
        return float(np.sign(self.gain)) * beyond / base if base > 0 else 0.0


def sections(generator: str) -> list[GeneratorConfig]:
    """The candidate sections of a generator, with the weight that is shipped."""
    return [GENERATORS[generator].Config(**fields) for fields in CANDIDATES[generator]]


def chosen(generator: str, known: Sequence[Measured], without: str | None) -> GeneratorConfig:
    """The section with the highest mean worth over the data sets but one; of equals the first.

    Raises SystemExit where a figure is missing.
    """
    teachers = [name for name in TEACHERS if name != without]
    figures = {(m.data_set, _key(m.section)): m.worth for m in known if m.generator == generator}

    def worth(section: GeneratorConfig) -> float:
        try:
            return float(np.mean([figures[name, _key(_fields(section))] for name in teachers]))
        except KeyError as missing:
            raise SystemExit(
                f"no figure of {generator} {missing}: run python -m tests.benchmarks.defaults"
            ) from None

    return max(sections(generator), key=worth)


def left_out(config: Config, without: str | None) -> Config:
    """The configuration with the sections that all data sets but one choose."""
    known = read()
    used = [name for name in CANDIDATES if name in config.generators.used()]
    return with_sections(config, {name: chosen(name, known, without) for name in used})


def read() -> list[Measured]:
    """The figures there are."""
    if not FILE.exists():
        return []
    return [Measured.model_validate(each) for each in json.loads(FILE.read_text("utf-8"))]


def measured(name: str, config: Config, known: Sequence[Measured]) -> Iterator[Measured]:
    """Figures of a data set that are not known yet, a generator at a time."""
    data, split, _ = SETS[name](config)
    holdout, available = data.holdout(split.train, config.seed), data.known_items(split.train)
    there = {(m.data_set, m.generator, m.seed, _key(m.section)) for m in known}
    for generator in CANDIDATES:
        tried = sections(generator)
        keys = {(name, generator, config.seed, _key(_fields(section))) for section in tried}
        if generator not in config.generators.used() or keys <= there:
            continue
        base: Floats | None = None
        for section in tried:
            begin = time.monotonic()
            values = _ndcg(generator, section, holdout, available, config.seed)
            base = values if base is None else base
            gain = Gain.of(values, base)
            yield Measured(
                data_set=name,
                generator=generator,
                section=_fields(section),
                seed=config.seed,
                users=len(values),
                ndcg=round(float(values.mean()), 6),
                gain=round(gain.mean, 6),
                error=round(gain.error, 6),
                seconds=round(time.monotonic() - begin, 1),
            )


def _ndcg(
    generator: str, section: GeneratorConfig, holdout: Holdout, available: Ints, seed: int
) -> Floats:
    """(u,) NDCG@20 of each user of the holdout."""
    training, users = holdout.training, holdout.users
    model = fit_generator(generator, training, section, seed)
    scorer = Scorer.of({generator: model}, available, training.history.shape[1])
    alone = {generator: WeightedSum((1.0,))}
    lists = ranked_lists(scorer, alone, users, seen(training, users), READ_PLACES)[generator]
    return ndcg(find_hits(lists, holdout.relevant), READ_PLACES)


def _fields(section: GeneratorConfig) -> dict[str, Any]:
    return section.model_dump(mode="json", exclude={"weight"})


def _key(fields: Fields) -> str:
    return json.dumps(fields, sort_keys=True)


def _kept(known: Sequence[Measured], new: Measured) -> list[Measured]:
    """The figures in a fixed order, with a new one in the place of an older one of the same."""

    def key(m: Measured) -> tuple[str, str, str]:
        return m.data_set, m.generator, _key(m.section)

    return sorted([*(m for m in known if key(m) != key(new)), new], key=key)


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", choices=[[], *TEACHERS], metavar="data-set")
    return parser


def main(sets: Sequence[str]) -> None:
    config = load_config(REPOSITORY / "recsys.toml")
    known = read()
    for name in sets or TEACHERS:
        for new in measured(name, config, known):
            known = _kept(known, new)
            rows = [each.model_dump() for each in known]
            FILE.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            figures = f"NDCG@20 {new.ndcg:.4f}, gain {new.gain:+.4f} ({new.error:.4f})"
            sys.stdout.write(f"{name} {new.generator}: {figures}, {new.seconds} s\n")
            sys.stdout.flush()
    for without in (*TEACHERS, None):
        sys.stdout.write(f"{f'without {without}' if without else 'all'}:\n")
        for generator in CANDIDATES:
            section = chosen(generator, known, without)
            fields = CANDIDATES[generator][sections(generator).index(section)]
            shown = ", ".join(f"{field} {value}" for field, value in fields.items())
            sys.stdout.write(f"  {generator}: {shown}\n")


if __name__ == "__main__":
    main(arg_parser().parse_args().sets)
