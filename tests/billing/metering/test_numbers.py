"""One place says where a number is, for all feeds."""

import pytest

from billing.metering.domain.numbers import is_extension, is_public, meter_of

OUT = [
    ("15551234567", "voice.out"), ("+14165550100", "voice.out"),
    ("2125550100", "voice.out"), ("(212) 555-0100", "voice.out"),
    ("915551234567", "voice.out"), ("+17875550100", "voice.out"),
    ("+18005550100", "voice.out"), ("911", "voice.out"), ("", "voice.out"),
    ("+442071230000", "voice.out.intl"), ("011442071230000", "voice.out.intl"),
    ("00442071230000", "voice.out.intl"), ("9011442071230000", "voice.out.intl"),
    ("442071230000", "voice.out.intl"), ("sip:+442071230000@x", "voice.out.intl"),
    ("+18765550100", "voice.out.intl"), ("18095550100", "voice.out.intl"),
    ("01118765550100", "voice.out.intl"), ("+99", "voice.out.intl"),
]  # fmt: skip
IN = [
    ("+18005550100", "voice.in.tf"), ("8885550100", "voice.in.tf"),
    ("18335550100", "voice.in.tf"), ("+12125550100", "voice.in"), ("301", "voice.in"),
]  # fmt: skip


class TestMeterOf:
    @pytest.mark.parametrize(("number", "meter"), OUT)
    def test_a_call_out_goes_by_the_number(self, number: str, meter: str) -> None:
        assert meter_of(inbound=False, to=number) == meter

    @pytest.mark.parametrize(("number", "meter"), IN)
    def test_a_call_in_is_toll_free_or_not(self, number: str, meter: str) -> None:
        assert meter_of(inbound=True, to=number) == meter


class TestNames:
    def test_of_extensions_are_short_numbers(self) -> None:
        assert [name for name in ("30", "301", "123456", "1", "1234567", "ana")
                if is_extension(name)] == ["30", "301", "123456"]  # fmt: skip

    def test_of_the_public_network_have_seven_digits_or_more(self) -> None:
        assert [name for name in ("5550100", "+12125550100", "301", "*97", "ana")
                if is_public(name)] == ["5550100", "+12125550100"]  # fmt: skip
