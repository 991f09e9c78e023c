"""A person at a browser without JavaScript: follows redirects with cookies, reads the forms of the
hosted pages and fills them in. Nothing here knows the pages beyond their field names."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


class _Forms(HTMLParser):
    def __init__(self, html, base):
        super().__init__()
        self.forms = []
        self._base = base
        self._open = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = True
            self.forms.append(
                {
                    "action": urljoin(self._base, attributes.get("action") or self._base),
                    "method": attributes.get("method", "get").upper(),
                    "fields": {},
                    "buttons": [],
                }
            )
        elif self._open and tag == "input" and "name" in attributes:
            kind = attributes.get("type", "text").lower()
            if kind == "submit":
                self.forms[-1]["buttons"].append(attributes)
            elif kind not in ("checkbox", "radio") or "checked" in attributes:
                self.forms[-1]["fields"][attributes["name"]] = attributes.get("value", "")
        elif self._open and tag == "button" and attributes.get("type", "submit").lower() == "submit":
            self.forms[-1]["buttons"].append(attributes)

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = False


class Person:
    def __init__(self, username, password):
        self._username = username
        self._password = password
        self._browser = requests.Session()

    def visit(self, url, return_to):
        """Opens `url` and does what the pages ask, until the browser is sent to `return_to` (a
        prefix; that page itself is not fetched). Returns that URL and which pages were seen."""
        pages = []
        page = self._fetch("GET", url, return_to)
        while not isinstance(page, str):
            assert len(pages) < 7, f"going in circles: {pages}"
            forms = _Forms(page.text, page.url).forms
            login = next((form for form in forms if "password" in form["fields"]), None)
            choice = next(
                (
                    (form, button)
                    for form in forms
                    for button in form["buttons"]
                    if button.get("name") in ("approve", "confirm")
                ),
                None,
            )
            if login:
                pages.append("login")
                fields = {**login["fields"], "username": self._username, "password": self._password}
                page = self._submit(login, fields, page.url, return_to)
            elif choice:
                form, button = choice
                pages.append("consent" if button["name"] == "approve" else "logout")
                fields = {**form["fields"], button["name"]: button.get("value", "")}
                page = self._submit(form, fields, page.url, return_to)
            else:
                raise AssertionError(f"nothing to fill in at {page.url} ({page.status_code}): {page.text[:800]}")
        return page, pages

    def _submit(self, form, fields, origin, return_to):
        if form["method"] == "GET":
            return self._fetch("GET", form["action"], return_to, params=fields)
        scheme, host, *_ = urlsplit(origin)
        headers = {"Origin": f"{scheme}://{host}"}
        return self._fetch("POST", form["action"], return_to, data=fields, headers=headers)

    def _fetch(self, method, url, return_to, **arguments):
        for _ in range(10):
            if url.startswith(return_to):
                return url
            page = self._browser.request(method, url, allow_redirects=False, timeout=30, **arguments)
            if not page.is_redirect:
                return page
            if page.status_code not in (307, 308):
                # After 301, 302 and 303 browsers go on with GET.
                method, arguments = "GET", {}
            url = urljoin(url, page.headers["Location"])
        raise AssertionError(f"too many redirects, the last to {url}")
