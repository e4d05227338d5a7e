"""Temporal's messages by hand, in the printed form of protocol buffers."""

import json
import re
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

MessageT = TypeVar("MessageT", bound=Message)
VALUE = re.compile(r"<(.*?)>", re.DOTALL)


def read(message: MessageT, text: str) -> MessageT:
    """Read the text into the message; ``<value>`` stands for the payload that holds this JSON."""
    return text_format.Parse(VALUE.sub(_payload, text), message)


def payload(value: str, encoding: str = "json/plain") -> Payload:
    """The payload that holds this text."""
    return Payload(metadata={"encoding": encoding.encode()}, data=value.encode())


def _payload(value: re.Match[str]) -> str:
    return f'{{ metadata {{ key: "encoding" value: "json/plain" }} data: {json.dumps(value[1])} }}'
