"""Where the server connects and where it never does: what is refused at once, what a name may mean, who is reached."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import aclosing

import pytest
from django.core.exceptions import ImproperlyConfigured

from annotation.endpoints.addresses import CheckedTransport, check, is_allowed, resolve
from annotation.endpoints.client import stream
from annotation.endpoints.failures import EndpointFailed
from annotation.errors import Invalid
from annotation.generation.sampling import Sampling
from annotation.project.env import AllowedHost, envhosts
from tests.annotation.endpoints.stub import Stub

REFUSED = [
    # nobody allowed it
    "http://127.0.0.1", "http://127.0.0.1:80/v1", "http://[::1]:8000/v1", "http://10.0.0.1/v1", "https://10.0.0.1/v1",
    "http://169.254.169.254/latest/meta-data", "https://169.254.169.254/v1", "http://localhost:6379/v1",
    "https://example.com/v1", "https://api.example.org.evil.example/v1", "https://evil-api.example.org/v1",
    # this machine in disguise
    "https://[::ffff:127.0.0.1]/v1", "http://[::ffff:7f00:1]:8000/v1", "http://0x7f000001/v1", "http://0x7f.0.0.1/v1",
    "http://2130706433/v1", "http://017700000001/v1", "http://0177.0.0.1/v1", "http://127.1/v1", "http://127.0.1/v1",
    "http://0/v1", "http://0.0.0.0:8000/v1", "http://[::]/v1", "http://[0:0:0:0:0:0:0:1]:8000/v1", "http://127.0.0.1./v1",
    "http://①②⑦.⓪.⓪.①/v1", "http://127。0。0。1/v1", "http://localhost./v1", "http://[::1%25lo]/v1", "http://[fe80::1%eth0]/v1",
    # the allowed host as a decoy
    "https://api.example.org@127.0.0.1/v1", "https://127.0.0.1#@api.example.org/v1", "https://user:pw@api.example.org/v1",
    "https://api.example.org:80@127.0.0.1/v1", "https://127.0.0.1\\@api.example.org/v1", "https://api.example.org\\.evil/v1",
    "https://api.example.org%2f@127.0.0.1/v1", "https://api.example.org%00.evil.example/v1", "https://api.example.org:443:80/v1",
    "https://api.example.org /v1", " https://api.example.org/v1", "https://api.example.org/v1\n",
    "https://api.example.org\r\nX: y/v1",
    "https://api.example.org\t/v1", "https://api.example.org/v1\x00", "https://аpi.example.org/v1",
    # another port, scheme or form
    "https://api.example.org:8443/v1", "http://api.example.org/v1", "https://api.example.org:99999/v1", "https://api.example.org:0/v1",
    "https://api.example.org:/v1", "https://api.example.org/v1?x=1", "https://api.example.org/v1#x", "https://api.example.org/../x",
    "https://api.example.org/v1/..", "https://api.example.org//v1", "//api.example.org/v1", "api.example.org/v1", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x", "ftp://api.example.org/v1",
    "javascript:alert(1)", "unix:///run/docker.sock", "", "https://", "https:///v1",
    "https://" + "a" * 400 + ".example.org/v1", None, 7, ["https://api.example.org/v1"],
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED, ids=lambda a: repr(a)[:40])
def test_an_address_that_the_operator_did_not_allow_is_refused(allow, address):
    allow("api.example.org", "http://127.0.0.1:8000")

    with pytest.raises(Invalid) as refused:
        check(address)

    assert (refused.value.status, refused.value.code) == (422, "address_not_allowed")
    assert refused.value.fields["base_url"]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("api.example.org", "https://api.example.org/v1"),
        ("api.example.org", "https://API.example.org:443/v1/"),
        ("https://api.example.org:8443", "https://api.example.org:8443/openai/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("http://vllm.internal:8000=10.1.0.0/16", "http://vllm.internal:8000/v1"),
        ("https://8.8.4.4", "https://8.8.4.4/v1"),
    ],
)
def test_what_was_allowed_passes(allow, host, address):
    allow(host)

    assert check(address).base_url == address.rstrip("/")


def test_by_default_nothing_is_allowed(allow):
    allow()

    with pytest.raises(Invalid):
        check("https://api.example.org/v1")


@pytest.mark.parametrize(
    "entry",
    [
        "http://api.example.org", "http://8.8.8.8", "http://x=8.0.0.0/8", "ftp://x", "https://x/v1", "user@x", "x:0",
        "x:99999",        "*.example.org", "*", "x=10.0.0.0/99",
        "x=nonsense", "2130706433", "0x7f000001", "127.1", "https://[::1", "a b",
        "http://vllm.internal:8000",
    ],
)  # fmt: skip
def test_a_bad_entry_stops_the_process(monkeypatch, entry):
    monkeypatch.setenv("WHETSTONE_ENDPOINT_HOSTS", f"api.example.org,{entry}")

    with pytest.raises(ImproperlyConfigured, match="WHETSTONE_ENDPOINT_HOSTS"):
        envhosts("WHETSTONE_ENDPOINT_HOSTS")


PUBLIC = AllowedHost("https", "api.example.org", 443)
PRIVATE = AllowedHost("http", "vllm.internal", 8000, (ipaddress.ip_network("10.1.0.0/16"),))
NEVER = [
    "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "100.100.100.200", "168.63.129.16",
    "192.0.0.192",
    "::", "::ffff:10.1.0.1", "::ffff:8.8.8.8", "64:ff9b::a01:1", "2002:a01:1::", "2001:0:a01:1::", "fd00:ec2::254",
    "fe80::1", "ff02::1", "::10.1.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_right_even_for_a_named_host(address):
    at = ipaddress.ip_address(address)
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

    assert not is_allowed(at, PUBLIC)
    assert not is_allowed(at, AllowedHost("https", "x", 443, everything))


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, False),
        ("2606:4700::1111", True, False),
        ("10.1.2.3", False, True),
        ("10.2.0.1", False, False),
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("192.168.1.1", False, False),
        ("172.16.0.1", False, False),
        ("100.64.0.1", False, False),
        ("198.18.0.1", False, False),
        ("fd12:3456::1", False, False),
        ("2001:db8::1", False, False),
    ],
)
def test_a_public_name_is_at_public_addresses_and_a_private_one_in_its_network(address, public, private):
    at = ipaddress.ip_address(address)

    assert (is_allowed(at, PUBLIC), is_allowed(at, PRIVATE)) == (public, private)


def names(monkeypatch, *answers: list[str]) -> list[str]:
    """The name server says these, one after the other; gives the names that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host, port, *args, **kwargs):
        if not str(host).endswith((".example.org", ".internal")):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize(
    "said",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%2"],
    ],
)
async def test_one_wrong_address_of_a_name_is_enough_to_refuse_all(monkeypatch, said):
    names(monkeypatch, said)

    with pytest.raises(EndpointFailed) as failed:
        await resolve(PUBLIC)

    assert failed.value.code == "address_refused"
    assert said[0] not in failed.value.message


async def test_a_name_is_looked_up_once_and_its_checked_address_is_the_peer(endpoint, allow, monkeypatch):
    """Rebinding: at first a right address, then one where something else listens."""
    with Stub() as right, Stub() as wrong:
        allow(f"http://vllm.internal:{right.port}=127.0.0.0/8")
        asked = names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        peers = []
        connect = CheckedTransport.handle_async_request

        async def watch(self, request):
            response = await connect(self, request)
            peers.append(response.extensions["network_stream"].get_extra_info("server_addr"))
            return response

        monkeypatch.setattr(CheckedTransport, "handle_async_request", watch)
        target = endpoint("well", base_url=f"http://vllm.internal:{right.port}/v1")
        async with aclosing(stream(target, [], sampling=Sampling())) as tokens:
            assert [text async for text in tokens] == ["Hello", ", ", "world", "."]

        assert asked == ["vllm.internal"]
        assert peers == [("127.0.0.1", right.port)]
        assert right.requests[-1].headers["host"] == f"vllm.internal:{right.port}"
        assert wrong.connections == 0


async def test_a_name_that_turns_to_this_machine_is_not_followed_there(endpoint, allow, monkeypatch):
    with Stub() as inside:
        allow(f"https://api.example.org:{inside.port}")
        names(monkeypatch, ["127.0.0.1"])
        with pytest.raises(EndpointFailed) as failed:
            async with aclosing(
                stream(
                    endpoint("well", base_url=f"https://api.example.org:{inside.port}/v1"),
                    [],
                    sampling=Sampling(),
                )
            ) as tokens:
                await anext(tokens)

        assert failed.value.code == "address_refused"
        assert inside.connections == 0


async def test_what_was_allowed_when_it_was_stored_is_checked_again(endpoint, allow, stub):
    stored = endpoint("well")
    allow("api.example.org")
    before = stub.connections
    with pytest.raises(EndpointFailed) as failed:
        async with aclosing(stream(stored, [], sampling=Sampling())) as tokens:
            await anext(tokens)

    assert failed.value.code == "address_refused"
    assert stub.connections == before


async def test_a_proxy_of_the_environment_is_not_used(endpoint, monkeypatch):
    with Stub() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with aclosing(stream(endpoint("well"), [], sampling=Sampling())) as tokens:
            assert await anext(tokens) == "Hello"

        assert proxy.connections == 0
