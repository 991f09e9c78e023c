# Die E-Mail-Adresse: die Seite, die sie ändert, und die, die ein Link öffnet.

email-title = E-Mail-Adresse
email-present = { $email } ist die E-Mail-Adresse dieses Kontos.
email-unconfirmed = Sie ist noch nicht bestätigt.
email-confirm-send = E-Mail zur Bestätigung schicken
email-new = Neue E-Mail-Adresse
email-new-hint = Wir schicken einen Link dorthin. Die Adresse ändert sich, wenn Sie ihm folgen, und an die alte Adresse geht eine Mitteilung.
email-submit = Link schicken
email-sent = Falls die Adresse verwendet werden kann, ist eine E-Mail dorthin unterwegs. Der Link darin gilt { $time } lang und nur ein einziges Mal.

email-confirm-title = Bestätigen Sie Ihre E-Mail-Adresse
email-confirm-about = Ist { $email } Ihre E-Mail-Adresse, und haben Sie darum gebeten?
email-confirm-submit = Ja, bestätigen
email-confirm-not-you = Wenn nicht, schließen Sie diese Seite: Es ändert sich nichts.
email-confirmed-title = Ihre E-Mail-Adresse ist bestätigt
email-confirmed-about = Der Link ist damit verbraucht.
email-confirmed-account = Zu Ihrem Konto
