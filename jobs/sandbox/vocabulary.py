"""The words of the planted marketplace: what its taste groups are about, and how people sound."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class TasteGroup:
    """One taste: a tag, the things that are offered, and the words that describe them."""

    name: str
    things: tuple[str, ...]
    words: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _group(name: str, things: str, words: str) -> TasteGroup:
    return TasteGroup(name, tuple(things.split(", ")), _words(words))


GROUPS: Final = (
    _group(
        "cycling",
        "Road Bike, Saddle, Pannier, Helmet, Frame Bag, Pedals, Wheelset, Bike Lamp, Track Pump",
        "gravel touring pedal commute chain brake tyre cadence climb saddle spoke derailleur",
    ),
    _group(
        "cooking",
        "Skillet, Stockpot, Chef's Knife, Pasta Roller, Mortar, Wok, Bread Tin, Spice Rack, Grater",
        "simmer recipe dough spice roast kitchen sauce braise sourdough knead umami whisk",
    ),
    _group(
        "gardening",
        "Trowel, Seed Box, Watering Can, Cold Frame, Pruner, Planter, Compost Bin, Trellis, Rake",
        "soil seedling compost bloom perennial prune mulch harvest sprout greenhouse root hedge",
    ),
    _group(
        "music",
        "Guitar, Keyboard, Cello, Amplifier, Record Player, Trumpet, Drum Kit, Ukulele, Mixer",
        "chord melody rehearsal vinyl rhythm acoustic tuning encore bass tempo jazz harmony",
    ),
    _group(
        "photography",
        "Camera, Tripod, Prime Lens, Light Meter, Enlarger, Softbox, Wrist Strap, Flash, Slide Box",
        "aperture shutter exposure portrait darkroom bokeh iso contrast negative focus film zoom",
    ),
    _group(
        "climbing",
        "Harness, Rope, Chalk Bag, Belay Device, Crash Pad, Ice Axe, Quickdraw, Bivouac, Headlamp",
        "boulder crag summit ascent belay granite multipitch anchor ridge grip crux alpine",
    ),
    _group(
        "sewing",
        "Sewing Machine, Fabric Roll, Pin Cushion, Dress Form, Quilt, Loom, Button Jar, Shears",
        "stitch hem linen pattern thread bobbin seam quilting embroidery needle lining cotton",
    ),
    _group(
        "boardgames",
        "Chess Set, Card Deck, Dice Tower, Strategy Game, Puzzle, Go Board, Party Game, Game Mat",
        "dice meeple tactics turn rulebook expansion bluff cooperative campaign token draft score",
    ),
    _group(
        "woodworking",
        "Workbench, Hand Plane, Chisel, Jigsaw, Lathe, Clamp, Mallet, Router, Sawhorse",
        "oak dovetail veneer plank grain sawdust joinery walnut mortise varnish sanding whittle",
    ),
    _group(
        "astronomy",
        "Telescope, Star Atlas, Eyepiece, Binoculars, Finder, Tracking Mount, Moon Filter, Sundial",
        "nebula orbit comet galaxy eclipse meridian lunar planet constellation zenith stellar sky",
    ),
    _group(
        "sailing",
        "Dinghy, Anchor, Life Vest, Compass, Sea Chart, Winch, Mainsail, Fender, Deck Shoes",
        "tack harbour mast regatta keel breeze jib tide mooring starboard rigging knot",
    ),
    _group(
        "pottery",
        "Potter's Wheel, Kiln, Clay Block, Glaze Kit, Trimming Set, Sculpting Stand, Clay Bat",
        "glaze stoneware bisque throwing porcelain slip firing coil vessel ceramic raku clay",
    ),
)

ADJECTIVES: Final = _words(
    "Amber Brass Bright Calm Classic Compact Copper Curious Early Faded Foldable Gentle Golden "
    "Handmade Honest Indigo Ivory Light Little Mellow Modern Nimble Northern Old Plain Quiet "
    "Restored Rustic Silver Simple Sturdy Sunny Travel Trusty Vintage Weathered"
)
COMMON_WORDS: Final = _words(
    "barely used complete set original box pick up near station good order small scratch gift "
    "family smoke free home works well quick sale reserved friendly delivery possible spare"
)
CONDITIONS: Final = ("new", "like new", "good", "worn")
CITIES: Final = (
    ("Lyon", "FR"),
    ("Ghent", "BE"),
    ("Porto", "PT"),
    ("Leipzig", "DE"),
    ("Turin", "IT"),
    ("Utrecht", "NL"),
    ("Aarhus", "DK"),
    ("Brno", "CZ"),
)
FIRST_NAMES: Final = _words(
    "Ada Bruno Clara Dario Elif Farid Greta Hugo Ines Jonas Kaya Leo Mira Nils Olga Pablo Quinn "
    "Rosa Samir Tessa Umar Vera Wim Xenia Yara Zeno"
)
LAST_NAMES: Final = _words(
    "Abel Berg Costa Dahl Engel Fabre Grau Holm Ito Jansen Klein Lopes Moretti Novak Okafor "
    "Petit Rossi Silva Toth Urban Vidal Weiss Yilmaz Zeman"
)
