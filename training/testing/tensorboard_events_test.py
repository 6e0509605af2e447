"""Reads an event file with an independent reader.

Usage: tensorboard_events_test.py WRITE_EVENTS, the program that writes it.
"""

import math
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tensorboard_events


def main():
    # The check value of CRC-32C.
    assert tensorboard_events.crc32c(b"123456789") == 0xE3069283
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.argv[1], directory], check=True)
        (name,) = os.listdir(directory)
        events = tensorboard_events.read(os.path.join(directory, name))
    assert events[0].file_version == "brain.Event:2", events[0]
    assert events[0].wall_time == 1700000000.0, events[0]
    assert len(events) == 303, len(events)
    for step, event in enumerate(events[1:301]):
        assert event.step == step and event.wall_time == 1700000001.5, event
        loss, rate = event.values
        assert loss.tag == "rpn1/loss" and abs(loss.number - 1 / (step + 1)) < 1e-7, loss
        assert rate.tag == "rpn1/lr" and rate.number == 0.25, rate
    assert events[301].step == 1 << 40 and math.isnan(events[301].values[0].number), events[301]
    (text,) = events[302].values
    assert (events[302].step, text.tag, text.text, text.plugin) == (7, "config", "# café", "text"), text


if __name__ == "__main__":
    main()
