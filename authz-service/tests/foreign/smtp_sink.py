"""An SMTP server for tests: aiosmtpd, a library that is not ours, on a port of its own.

Prints "port N" once it listens, and then a JSON line for each mail that it took: sender, recipients, whether the
connection was encrypted and signed in, and the mail. Options, as words: starttls CERT KEY, implicit CERT KEY,
login USER PASSWORD, and behave WHAT, where WHAT is one of
  take          take every mail
  later N       answer 451 to the first N, then take
  refuse        answer 550 to every recipient
  hang N        answer nothing to the first N, then take
A number is the port.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    def __init__(self, what, times):
        self.what, self.times = what, times

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.what == "refuse":
            return f"550 5.1.1 <{address}>: no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.what in ("later", "hang") and self.times > 0:
            self.times -= 1
            print("stumbled", flush=True)
            if self.what == "hang":
                await asyncio.sleep(3600)
            return "451 4.3.2 try again"
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "login": bool(session.authenticated),
            "hello": session.host_name,
            "mail": envelope.content.decode("utf-8", "replace"),
        }
        print(json.dumps(taken), flush=True)
        return "250 OK"


async def main(words):
    options, ssl_context, port, handler = {}, None, 0, Handler("take", 0)
    while words:
        word = words.pop(0)
        if word in ("starttls", "implicit"):
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(words.pop(0), words.pop(0))
            if word == "implicit":
                ssl_context = tls
            else:
                options |= {"tls_context": tls, "require_starttls": True}
        elif word == "login":
            user, password = words.pop(0), words.pop(0)

            def check(server, session, envelope, mechanism, data):
                good = isinstance(data, LoginPassword) and (data.login, data.password) == (
                    user.encode(),
                    password.encode(),
                )
                return AuthResult(success=good, handled=good)

            options |= {"authenticator": check, "auth_required": True, "auth_require_tls": ssl_context is None}
        elif word == "behave":
            what = words.pop(0)
            handler = Handler(what, int(words.pop(0)) if what in ("later", "hang") else 0)
        else:
            port = int(word)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **options), host="127.0.0.1", port=port, ssl=ssl_context
    )
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1:]))
