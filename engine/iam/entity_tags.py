"""The operations on the tags of what IAM has: three for each kind, which differ in how a request names what is tagged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.context import CallContext
from engine.iam import entities
from engine.operation import Operation

Answer = dict[str, Any]
Permitted = Callable[[CallContext, dict[str, Any]], Any]


def operations(
    word: str, permitted: Permitted, *, any_case: bool = True, announced: bool = False
) -> dict[str, Operation]:
    """TagX, UntagX and ListXTags.

    `permitted` finds the row that a request names, on which the caller may do the operation. `any_case`: the names of tags differ by more
    than case. `announced`: caches hold the tags.
    """

    def save(context: CallContext, row: Any, tags: dict[str, str]) -> Answer:
        row.tags = tags
        row.save(update_fields=["tags"])
        if announced:
            entities.touched(context)
        return {}

    def tag(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = permitted(context, parameters)
        return save(context, row, entities.tag_mapping(parameters["Tags"], row.tags, any_case=any_case))

    def untag(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = permitted(context, parameters)
        return save(context, row, entities.tags_without(row.tags, parameters["TagKeys"], any_case=any_case))

    def list_tags(context: CallContext, parameters: dict[str, Any]) -> Answer:
        return entities.page(parameters, entities.tag_list(permitted(context, parameters).tags), "Tags")

    return {
        f"Tag{word}": Operation(tag, writes=True),
        f"Untag{word}": Operation(untag, writes=True),
        f"List{word}Tags": Operation(list_tags),
    }
