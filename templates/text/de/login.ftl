# Die Anmeldeseite.

login-title = Anmelden
login-title-for = Bei { $app } anmelden
login-account = mit Ihrem Konto bei { $brand }
login-account-for = mit Ihrem Konto bei { $brand }. Die App sieht Ihr Passwort nicht.
login-beside = Die Konten, die in diesem Browser angemeldet sind, bleiben es.
login-accounts = Eines davon wählen
login-mismatch = Der Benutzername oder das Passwort stimmt nicht. Prüfen Sie beides und versuchen Sie es noch einmal.
login-throttled = Zu viele Versuche. Warten Sie { $wait } und versuchen Sie es dann noch einmal.
login-busy = Im Moment melden sich viele Menschen an. Warten Sie ein paar Sekunden und versuchen Sie es dann noch einmal.
login-username = Benutzername oder E-Mail-Adresse
login-password = Passwort
login-submit = Anmelden
login-recover = Passwort vergessen?
login-sign-up = Konto anlegen
