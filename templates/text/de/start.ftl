# Die Startseite.

start-title = Startseite
start-running = { $brand } läuft
start-heading = Einmal anmelden, für alle Apps
start-about = Die Apps schicken Sie zum Anmelden hierher. Ihr Passwort bleibt hier: Keine von ihnen sieht es je.
start-person = Angemeldet als <strong>{ $person }</strong>
start-account = Ihr Konto
start-logout = Abmelden
start-choose = Konto wählen
start-switch = Konto wechseln
start-login = Anmelden
start-apps = Ihre Apps

start-next = Die nächsten Schritte
start-development = Dies ist ein Entwicklungsstart der Version { $version } auf diesem Rechner. Er hat einen Link ausgegeben, über den das erste Administratorkonto angelegt wird; <code>countersign user admin-link</code> macht einen neuen.
start-add = Legen Sie eine Person an, und eine App, bei der sie sich anmelden kann:
start-cargo = Mit <code>cargo run</code> gestartet? Schreiben Sie <code>cargo run --</code> statt <code>countersign</code>.
start-mails = E-Mails, die nicht verschickt, sondern hier behalten wurden

start-developers = Für alle, die Apps entwickeln
start-issuer = Aussteller (Issuer)
start-discovery = Discovery (OpenID Connect)
start-jwks = Öffentliche Schlüssel (JWKS)
