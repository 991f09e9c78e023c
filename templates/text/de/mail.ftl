# E-Mails. Jede hat einen Betreff, einen Text und meist etwas, was zu tun ist.

mail-sign-up-subject = Ihr Konto bei { $brand } anlegen
mail-sign-up-text = Jemand, wahrscheinlich Sie, möchte mit dieser E-Mail-Adresse ein Konto bei { $brand }.
mail-sign-up-action = Konto anlegen

mail-taken-subject = Sie haben ein Konto bei { $brand }
mail-taken-text = Jemand, wahrscheinlich Sie, möchte mit dieser E-Mail-Adresse ein Konto bei { $brand }. Es gibt schon eines, deshalb wurde kein weiteres angelegt. Auf der Anmeldeseite können Sie auch ein neues Passwort wählen, falls Sie Ihres nicht mehr wissen.
mail-taken-action = Anmelden

mail-invitation-subject = Sie sind zu { $brand } eingeladen
mail-invitation-text = Der Betreiber von { $brand } lädt Sie ein, dort ein Konto anzulegen.
mail-invitation-action = Konto anlegen

mail-verify-subject = Bestätigen Sie Ihre E-Mail-Adresse
mail-verify-text = Bitte bestätigen Sie, dass dies die E-Mail-Adresse Ihres Kontos bei { $brand } ist.
mail-verify-action = Adresse bestätigen

mail-confirm-subject = Bestätigen Sie Ihre neue E-Mail-Adresse
mail-confirm-text = Jemand, wahrscheinlich Sie, möchte diese E-Mail-Adresse für ein Konto bei { $brand } verwenden.
mail-confirm-action = Adresse bestätigen

mail-moved-subject = Die E-Mail-Adresse Ihres Kontos wurde geändert
mail-moved-text = Ihr Konto bei { $brand } hat jetzt eine andere E-Mail-Adresse. Dies war die alte, und dies ist die letzte E-Mail an sie.

mail-reset-subject = Wählen Sie ein neues Passwort
mail-reset-text = Jemand, wahrscheinlich Sie, möchte ein neues Passwort für Ihr Konto bei { $brand } wählen.
mail-reset-action = Passwort wählen

mail-password-subject = Ihr Passwort wurde geändert
mail-password-text = Das Passwort Ihres Kontos bei { $brand } wurde geändert. Wo Sie sonst noch angemeldet waren, wurden Sie abgemeldet.
mail-password-alarm = Falls Sie das nicht waren, wählen Sie sofort ein anderes.
mail-password-action = Anderes Passwort wählen

mail-device-subject = Anmeldung auf einem neuen Gerät
mail-device-text = Jemand, wahrscheinlich Sie, hat sich bei Ihrem Konto bei { $brand } auf einem Gerät angemeldet, das bisher nicht dafür benutzt wurde.
mail-device-label = Gerät: { $device }
mail-device-address = Netzwerkadresse: { $address }
mail-device-time = Zeit: { $time }
mail-device-alarm = Falls Sie das nicht waren, melden Sie dieses Gerät sofort ab und wählen Sie ein anderes Passwort.
mail-device-action = Ihre Geräte ansehen

mail-factor-on-subject = Ihr Konto hat einen zweiten Faktor
mail-factor-on-text = Von jetzt an brauchen Sie, um sich bei { $brand } anzumelden, zusätzlich zum Passwort einen Code Ihrer Authenticator-App.
mail-factor-off-subject = Ihr Konto hat keinen zweiten Faktor mehr
mail-factor-off-text = Von jetzt an genügt Ihr Passwort, um sich bei { $brand } anzumelden.
mail-factor-alarm = Falls Sie das nicht waren, wählen Sie sofort ein anderes Passwort und prüfen Sie Ihren zweiten Faktor.
mail-factor-action = Zweiten Faktor ansehen

mail-code-used-subject = Ein Wiederherstellungscode wurde benutzt
mail-code-used-text =
    Jemand, wahrscheinlich Sie, hat sich bei Ihrem Konto bei { $brand } mit einem Wiederherstellungscode angemeldet. { $left ->
        [0] Es ist keiner mehr übrig: Erzeugen Sie neue.
        [one] Einer ist noch übrig.
       *[other] { $left } sind noch übrig.
    }

mail-codes-renewed-subject = Sie haben neue Wiederherstellungscodes
mail-codes-renewed-text = Für Ihr Konto bei { $brand } wurden neue Wiederherstellungscodes erzeugt. Die alten gelten nicht mehr.

mail-deleted-subject = Ihr Konto wurde gelöscht
mail-deleted-text = Ihr Konto bei { $brand } wurde gelöscht, mit allem, was daran hing. Dies ist die letzte E-Mail.

mail-only-operator = Falls Sie das nicht waren, wenden Sie sich sofort an den Betreiber von { $brand }: Nur dort kann man Ihnen helfen.

mail-link-life = Der Link gilt { $time } lang und nur ein einziges Mal.
mail-link-ignore = Falls Sie diese E-Mail nicht erwartet haben, tun Sie nichts: Ohne den Link geschieht nichts. Geben Sie den Link nicht weiter.

mail-footer = { $brand }, { $issuer }. Antworten auf diese E-Mail liest niemand.
