"""Every column name of the lake and of the published tables, spelled once."""

from typing import Final

USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
USER_ROW: Final = "user_row"
ITEM_ROW: Final = "item_row"

EVENT_TYPE: Final = "event_type"
VALUE: Final = "value"
OCCURRED_AT: Final = "occurred_at"
ARRIVED_AT: Final = "arrived_at"
LIKED: Final = "liked"
CREATED_AT: Final = "created_at"

ACTIVE: Final = "active"
TITLE: Final = "title"
AVAILABLE: Final = "available"
TEXT: Final = "text"
TAGS: Final = "tags"
ATTRIBUTES: Final = "attributes"

REJECT_REASON: Final = "reject_reason"
SOURCE_ROW: Final = "source_row"
SOURCE: Final = "source"

ITEM_ROWS: Final = "item_rows"
WEIGHTS: Final = "weights"
AGES: Final = "ages"
LAST_AGES: Final = "last_ages"
EARLIER_WEIGHTS: Final = "earlier_weights"
EARLIER_LAST_AGES: Final = "earlier_last_ages"
BLOCKED_ROWS: Final = "blocked_rows"
EXCLUDED_ROWS: Final = "excluded_rows"

ITEM_IDS: Final = "item_ids"
SCORES: Final = "scores"
SOURCES: Final = "sources"
PROPENSITIES: Final = "propensities"
OPINIONS: Final = "opinions"
BECAUSE_IDS: Final = "because_ids"
REASONS: Final = "reasons"
SEGMENT: Final = "segment"
