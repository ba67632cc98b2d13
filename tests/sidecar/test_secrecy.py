"""Which names read like secrets."""

from __future__ import annotations

import pytest

from livecollections.secrecy import is_like_secret

SECRET = """
password Password passwd password_hash encrypted_password userPassword passphrase secret client_secret SECRET_KEY token
access_token accessToken reset_password_token api_key apiKey APIKEY private_key session_key sessionKey credential
credentials salt password_salt pwd user_pwd otp otp_code pin PIN cvv cvc ssn hash pw signing_key auth_key
"""
PLAIN = """
id name email secretary_id key title shipping_address pinned spinning salted_butter hashtag compass_reading optional
encyclopedia bypass_road monkey keyboard turkey_count author auth_group sessions created_at passenger
"""


@pytest.mark.parametrize("name", SECRET.split())
def test_it_is_like_a_secret(name: str) -> None:
    assert is_like_secret(name)


@pytest.mark.parametrize("name", PLAIN.split())
def test_it_is_not(name: str) -> None:
    assert not is_like_secret(name)
