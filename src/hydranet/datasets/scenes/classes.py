"""Names and ids of all that the scenes label."""

SEMANTIC = (
    "road",
    "lane marking",
    "pavement",
    "terrain",
    "building",
    "vegetation",
    "sky",
    "vehicle",
    "person",
    "pole",
    "sign",
)
ROAD, LANE_MARKING, PAVEMENT, TERRAIN, BUILDING, VEGETATION, SKY, VEHICLE, PERSON, POLE, SIGN = range(len(SEMANTIC))

DETECTION = ("car", "van", "truck", "person", "sign")
LANES = ("solid", "dashed")
LANE_MASK = ("none", "solid", "dashed")
DRIVABLE = ("none", "own lane", "other lane")
EDGES = ("none", "edge")
PLACE = ("city", "suburb", "country", "motorway")
