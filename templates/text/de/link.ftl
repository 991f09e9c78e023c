# Links für einmal: der erste Administrator, und ein Passwort zum Wählen.

link-admin-title = Das erste Administratorkonto anlegen
link-admin-about = Dieses Konto verwaltet { $brand }: Es darf hier alles.
link-password-title = Passwort wählen
link-password-heading = Wählen Sie Ihr Passwort
link-password-about = für das Konto { $account }. Sie werden dabei auf allen Geräten abgemeldet.
link-email = E-Mail-Adresse
link-username = Benutzername
link-username-hint = Zum Anmelden; kürzer als die E-Mail-Adresse.
link-admin-submit = Administratorkonto anlegen
link-password-submit = Passwort festlegen

link-wrong-email = Das ist keine E-Mail-Adresse. Schreiben Sie sie in der Form name@example.com.
link-wrong-username = Ein Benutzername hat 1 bis 64 Zeichen, darunter weder Leerzeichen noch @.
link-taken = Diese E-Mail-Adresse oder dieser Benutzername gehört zu einem anderen Konto.
link-busy = Der Server ist im Moment ausgelastet. Warten Sie ein paar Sekunden und versuchen Sie es dann noch einmal.

link-done-title = Sie können sich jetzt anmelden
link-done-about = Ihr Passwort ist festgelegt. Der Link ist damit verbraucht.
link-done-login = Anmelden
