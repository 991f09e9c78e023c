# Ein vergessenes Passwort, und die Seite, die sagt, dass eine E-Mail unterwegs ist.

recover-title = Passwort vergessen?
recover-about = Sagen Sie uns, wer Sie sind. Wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort wählen.
recover-username = Benutzername oder E-Mail-Adresse
recover-submit = Link schicken
recover-login = Zurück zur Anmeldung
recover-wrong-name = Schreiben Sie hier Ihren Benutzernamen oder Ihre E-Mail-Adresse.
recover-sent-title = Sehen Sie in Ihrem Postfach nach
recover-sent = Wenn es ein solches Konto gibt, ist eine E-Mail an seine Adresse unterwegs. Der Link darin gilt { $time } lang und nur ein einziges Mal.
recover-sent-nothing = Nach ein paar Minuten nichts da? Sehen Sie im Spam-Ordner nach und prüfen Sie dann, was Sie geschrieben haben.
recover-sent-again = Noch einmal anfordern
