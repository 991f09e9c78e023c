# Ein neues Passwort, wo immer eines gewählt wird.

password-new = Neues Passwort
password-hint = 8 bis 128 beliebige Zeichen. Ein paar Wörter, die sonst niemand zusammenstellen würde, sind leicht zu merken und schwer zu erraten.
password-too-short = Das ist zu kurz. Wählen Sie mindestens 8 Zeichen.
password-too-long = Das ist zu lang. Wählen Sie höchstens 128 Zeichen.
password-common = Dieses Passwort ist sehr verbreitet und wird als Erstes ausprobiert. Wählen Sie ein anderes.
password-near-word = Darin steht Ihr Name, Ihre E-Mail-Adresse oder der Name dieses Dienstes. Wählen Sie eines ohne.
password-weak = Das ist leicht zu erraten. Wählen Sie ein längeres, oder Wörter, die sonst niemand zusammenstellen würde.
password-breached = Dieses Passwort wurde irgendwo gestohlen und steht in den Listen, die Diebe durchprobieren. Wählen Sie ein anderes, auch überall sonst, wo Sie es verwenden.

password-title = Passwort
password-about = Überall sonst werden Sie abgemeldet, und Sie bekommen eine E-Mail über die Änderung.
password-saved = Das Passwort ist geändert.
password-present = Aktuelles Passwort
password-present-wrong = Das ist nicht Ihr aktuelles Passwort. Versuchen Sie es noch einmal.
password-submit = Passwort ändern
