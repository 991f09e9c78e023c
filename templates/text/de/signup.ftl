# Ein Konto anlegen: die Seite, die nach einer E-Mail-Adresse fragt, und was ihr Link öffnet.

signup-title = Konto anlegen
signup-about = Ein Konto bei { $brand } für jede App, die Sie hierher schickt.
signup-about-for = Mit Ihrem Konto bei { $brand } melden Sie sich bei { $app } an und bei jeder anderen App, die Sie hierher schickt.
signup-email = E-Mail-Adresse
signup-hint = Wir schicken Ihnen einen Link. Wenn Sie ihm folgen, wird das Konto angelegt.
signup-submit = Link schicken
signup-login = Ich habe schon ein Konto
signup-wrong-email = Das ist keine E-Mail-Adresse. Schreiben Sie sie in der Form name@example.com.
signup-sent = Wenn die Adresse stimmt, ist eine E-Mail dorthin unterwegs. Der Link darin gilt { $time } lang und nur ein einziges Mal.

signup-new-title = Konto einrichten
signup-new-about = Es bekommt die E-Mail-Adresse { $email }, die durch diesen Link bestätigt ist.
signup-new-name = Name
signup-new-name-hint = So werden Sie in Apps angezeigt. Sie können ihn jederzeit ändern.
signup-new-username = Benutzername
signup-new-submit = Konto anlegen
signup-new-wrong-name = Ein Name hat höchstens 200 Zeichen.
