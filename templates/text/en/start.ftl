# The start page.

start-title = Start
start-running = { $brand } is running
start-heading = Sign in once, for every app
start-about = The apps of this house send you here to sign in. Your password stays here: they never see it.
start-person = Signed in as <strong>{ $person }</strong>
start-account = Your account
start-logout = Sign out
start-choose = Choose an account
start-switch = Switch account
start-login = Sign in
start-apps = Your apps

start-next = Next steps
start-development = This is a development start of version { $version } on this machine. It printed a link that makes the first administrator; <code>countersign user admin-link</code> makes a new one.
start-add = Add a person, and an app that may sign them in:
start-cargo = Started by <code>cargo run</code>? Write <code>cargo run --</code> for <code>countersign</code>.
start-mails = Mails that were not sent, but kept here

start-developers = For developers of apps
start-issuer = Issuer
start-discovery = Discovery (OpenID Connect)
start-jwks = Public keys (JWKS)
