from dataclasses import replace
from pathlib import Path

from skypanel.domain.routing import Address
from skypanel.embedded.banner import Facts, banner

FACTS = Facts(Address("localhost", 2222, 8080, 8443), Path("/var/lib/skypanel"), "/login?token=once", "SHA256:abc", keys=2, user="ann")


def test_says_everything_a_newcomer_needs():
    assert banner(FACTS).splitlines() == [
        "SkyPanel is up.",
        "",
        "  Dashboard   http://skypanel.localhost:8080/login?token=once",
        "              signs you in as the administrator, once",
        "  Git remote  ssh://git@localhost:2222/<app>.git",
        "              or https://localhost:8443/<app>.git with the API token as the password",
        "  Host key    SHA256:abc",
        "  API token   /var/lib/skypanel/token",
        "  SSH keys    2 may push",
        "",
        "Try it, in the repository of an app:",
        "  git remote add skypanel ssh://git@localhost:2222/hello.git",
        "  git push skypanel main",
        "  curl http://hello.localhost:8080/",
        "",
        "To trust its HTTPS: sudo cp /var/lib/skypanel/ca.crt /usr/local/share/ca-certificates/skypanel.crt && sudo update-ca-certificates",
        "Or in git alone: git config --global http.https://localhost:8443/.sslCAInfo /var/lib/skypanel/ca.crt",
        "Ctrl-C stops it.",
    ]


def test_without_a_key_it_says_how_to_make_one():
    assert "none may push yet: ssh-keygen -t ed25519 && skypanel keys add ~/.ssh/id_ed25519.pub" in banner(replace(FACTS, keys=0))
    assert "one may push" in banner(replace(FACTS, keys=1))


def test_over_ssh_it_shows_the_tunnel():
    forwards = " ".join(f"-L {port}:localhost:{port}" for port in (8080, 8443, 8444, 2222))
    line = f"From your own machine: ssh {forwards} ann@192.0.2.7"
    assert line in banner(replace(FACTS, ssh_connection="198.51.100.1 50000 192.0.2.7 22")).splitlines()
    assert "ssh -p 2022 -L" in banner(replace(FACTS, ssh_connection="198.51.100.1 50000 192.0.2.7 2022"))
    assert "From your own machine" not in banner(FACTS)


def test_https_on_its_own_port_is_shown_without_it():
    shown = banner(replace(FACTS, address=Address("apps.example.com", 22, 80, 443)))
    assert "or https://apps.example.com/<app>.git with" in shown
    assert "git config --global http.https://apps.example.com/.sslCAInfo " in shown


def test_a_domain_of_its_own_has_its_dashboard_by_https_and_says_what_a_browser_will():
    shown = banner(replace(FACTS, address=Address("apps.example.com", 22, 80, 443)))
    assert "  Dashboard   https://skypanel.apps.example.com/login?token=once" in shown.splitlines()
    assert "your browser warns of its certificate until it trusts /var/lib/skypanel/ca.crt" in shown
    assert "your browser warns" not in banner(FACTS)
