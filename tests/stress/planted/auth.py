"""Bugs in who calls: tokens, keys of issuers, admin keys."""

from __future__ import annotations

from typing import Final

from .bug import Bug

TOKENS: Final = "tests/server/test_tokens.py"
KEY_SETS: Final = "tests/server/test_key_sets.py"
RULES: Final = "tests/server/test_security_auth.py"

AUTH: Final = (
    Bug(
        name="an algorithm that the settings do not list",
        breaks="a token chooses how it is checked",
        file="server/tokens.py",
        old="        if algorithm not in accepted:\n",
        new="        if False:\n",
        tests=(f"{TOKENS}::test_a4_no_bad_token_is_accepted",),
    ),
    Bug(
        name="a claim twice in a token",
        breaks="two programs that check one token see two users",
        file="server/tokens.py",
        old="object_pairs_hook=unique, ",
        new="",
        tests=(f"{TOKENS}::test_a4_no_bad_token_is_accepted",),
    ),
    Bug(
        name="a token of another kind",
        breaks="the token that signs a user out signs somebody in",
        file="server/tokens.py",
        old=' or header.get("typ", "JWT").lower() not in TYPES',
        new="",
        tests=(f"{TOKENS}::test_a4_no_bad_token_is_accepted",),
    ),
    Bug(
        name="an audience that contains ours",
        breaks="a token for another app of the same issuer opens this one",
        file="server/authenticator.py",
        old="in token.audiences:",
        new="in str(token.audiences):",
        tests=(f"{TOKENS}::test_a4_no_bad_token_is_accepted",),
    ),
    Bug(
        name="an issuer that begins like ours",
        breaks="whoever owns login.example.com.evil.example signs in as any user",
        file="server/authenticator.py",
        old="checker.provider.issuer == issuer",
        new="str(issuer).startswith(checker.provider.issuer)",
        tests=(f"{TOKENS}::test_a4_no_bad_token_is_accepted",),
    ),
    Bug(
        name="a token that is valid a second too long",
        breaks="the limit of a token is not what the documentation says",
        file="server/tokens.py",
        old="now >= expires + LEEWAY",
        new="now > expires + LEEWAY",
        tests=(f"{TOKENS}::test_a5_times_are_exact_to_the_second",),
    ),
    Bug(
        name="keys fetched for each unknown one",
        breaks="a flood of bad tokens becomes a flood of requests to the issuer",
        file="server/key_sets.py",
        old="        if now < self._next_time:\n",
        new="        if False:\n",
        tests=(f"{KEY_SETS}::test_a6_unknown_keys_cause_one_fetch_a_minute",),
    ),
    Bug(
        name="keys fetched from wherever a redirect leads",
        breaks="an open redirect at the issuer gives the server the keys of an attacker",
        file="server/key_sources.py",
        old="                    refuse_other_host(request.url, response.next_request.url)\n",
        new="",
        tests=(f"{KEY_SETS}::test_a6_a_redirect_to_another_host_is_not_followed",),
    ),
    Bug(
        name="keys of any size",
        breaks="an issuer that has been taken over fills the server's memory",
        file="server/key_sources.py",
        old='        if len(content) > LARGEST:\n            raise KeysUnavailable(f"{response',
        new='        if False:\n            raise KeysUnavailable(f"{response',
        tests=(f"{KEY_SETS}::test_a6_a_bad_answer_gives_no_keys",),
    ),
    Bug(
        name="keys forgotten while a fetch fails",
        breaks="no user gets in while the issuer is down for a minute",
        file="server/key_sets.py",
        old="            self._failure = str(error)\n",
        new="            self._failure = str(error)\n            self._keys = None\n",
        tests=(f"{KEY_SETS}::test_a6_old_keys_are_kept_while_a_fetch_fails",),
    ),
    Bug(
        name="an admin key that is half right",
        breaks="the id of a key, which is in lists, opens everything",
        file="database/admin_keys.py",
        old="return found if hmac.compare_digest(digest, digest_of(text)) else None",
        new="return found",
        tests=("tests/server/test_authenticator.py::test_a_wrong_admin_key_is_refused_in_one_way",),
    ),
    Bug(
        name="keys tried without a pause",
        breaks="an address tries wrong keys as fast as it can",
        file="server/authenticator.py",
        old="self._throttle.count_failure(client)",
        new="pass",
        tests=(f"{RULES}::test_a10_an_address_with_wrong_keys_has_to_wait",),
    ),
    Bug(
        name="a token in the log",
        breaks="whoever reads the log calls as its user",
        file="server/authenticator.py",
        old='logger.info("a token was refused: %s", refused)',
        new='logger.info("a token was refused: %s %s", refused, token)',
        tests=(f"{RULES}::test_e2_no_secret_is_in_a_log",),
    ),
    Bug(
        name="the secret of an issuer in an error",
        breaks="a mistake in the settings prints the secret into the log of a deployment",
        file="settings.py",
        old=", hide_input_in_errors=True",
        new="",
        tests=(f"{RULES}::test_a8_a_key_is_in_no_repr",),
    ),
)
