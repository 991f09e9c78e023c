# Der Kontobereich.

account-navigation = Konto
account-overview = Ihr Konto
account-second-factor = Zweiter Faktor
account-name = Name
account-email = E-Mail-Adresse
account-unconfirmed = (nicht bestätigt)
account-username = Benutzername
account-switch = Konto wechseln oder hinzufügen
account-logout = Abmelden

account-confirm-title = Bestätigen Sie, dass Sie es sind
account-confirm-about = Bevor sich im Konto { $account } etwas Wichtiges ändert, fragen wir noch einmal nach dem Passwort.
account-confirm-mismatch = Das ist nicht das Passwort dieses Kontos. Versuchen Sie es noch einmal.
account-confirm-submit = Bestätigen
account-confirm-leave = Nichts ändern
