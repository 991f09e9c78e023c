# Der zweite Faktor: gefragt, eingerichtet, gepflegt.

second-factor-code-title = Geben Sie einen Code ein
second-factor-code-about = Öffnen Sie Ihre Authenticator-App und geben Sie die sechs Ziffern ein, die sie jetzt zeigt.
second-factor-code-wrong = Der Code stimmt nicht oder wurde schon benutzt. Warten Sie auf den nächsten und versuchen Sie es noch einmal.
second-factor-code = Code
second-factor-trust = Auf diesem Gerät { $time } lang nicht nach einem Code fragen
second-factor-go-on = Weiter
second-factor-lost = Sie haben die App nicht dabei?
second-factor-recovery-code = Einer Ihrer Wiederherstellungscodes
second-factor-recovery-hint = Sie haben zehn davon bekommen, als Sie die App eingerichtet haben. Jeder gilt einmal. Ohne die App und ohne Codes wenden Sie sich an den Betreiber von { $brand }.
second-factor-recovery-submit = Mit einem Wiederherstellungscode weiter
second-factor-switch = Als jemand anderes anmelden

second-factor-set-up-title = Richten Sie einen zweiten Faktor ein
second-factor-wished = { $app } möchte, dass Sie sich außer mit dem Passwort mit einem Code einer Authenticator-App anmelden. Es geht auch ohne.
second-factor-demanded = Ihr Konto braucht zusätzlich zum Passwort einen Code einer Authenticator-App. Richten Sie sie einmal ein, dann geht es weiter.
second-factor-advised = Mit einem Code einer Authenticator-App zusätzlich zum Passwort öffnet ein gestohlenes Passwort nichts.
second-factor-decline = Jetzt nicht
second-factor-turn-on = Einschalten
second-factor-another-title = Richten Sie eine andere Authenticator-App ein
second-factor-another-about = Die App, die Sie jetzt haben, gilt hier dann nicht mehr, und Sie bekommen neue Wiederherstellungscodes.

second-factor-scan = Öffnen Sie Ihre Authenticator-App und fügen Sie ihr mit diesem Code ein Konto hinzu.
second-factor-qr = QR-Code für eine Authenticator-App
second-factor-key = Sie können ihn nicht fotografieren? Geben Sie diesen Schlüssel in die App ein:
second-factor-open-app = Oder öffnen Sie die App auf diesem Gerät
second-factor-first-code = Die sechs Ziffern, die die App jetzt zeigt
second-factor-first-code-wrong = Das ist nicht der Code, den die App jetzt zeigt. Sehen Sie noch einmal nach oder prüfen Sie die Uhr Ihres Geräts.

second-factor-codes-title = Bewahren Sie Ihre Wiederherstellungscodes auf
second-factor-codes-about = Wenn Sie Ihre Authenticator-App verlieren, lässt einer davon Sie stattdessen ein. Jeder gilt einmal. Sie werden nicht noch einmal gezeigt.
second-factor-codes-download = Herunterladen
second-factor-codes-done = Ich habe sie

second-factor-on-title = Ihr zweiter Faktor ist an
second-factor-on-about = Seit { $since } melden Sie sich mit Ihrem Passwort und einem Code Ihrer Authenticator-App an.
second-factor-codes = Wiederherstellungscodes
second-factor-codes-left =
    { $left ->
        [0] Sie haben alle benutzt.
        [one] Einer ist noch übrig.
       *[other] { $left } sind noch übrig.
    } Mit neuen gelten die alten nicht mehr.
second-factor-codes-renew = Neue Wiederherstellungscodes erzeugen
second-factor-devices = Geräte
second-factor-devices-trusted =
    { $count ->
        [0] Sie werden auf jedem Gerät nach einem Code gefragt.
        [one] Auf einem Ihrer Geräte werden Sie im Moment nicht nach einem Code gefragt.
       *[other] Auf { $count } Ihrer Geräte werden Sie im Moment nicht nach einem Code gefragt.
    }
second-factor-devices-distrust = Auf jedem Gerät wieder fragen
second-factor-app = Authenticator-App
second-factor-app-another = Eine andere App einrichten
second-factor-turn-off = Ausschalten
second-factor-stays-on = Ihr Konto braucht einen zweiten Faktor; er lässt sich nicht ausschalten.
second-factor-no-choice = Ihr Browser hat nicht gesagt, welchen Knopf Sie gedrückt haben. Gehen Sie zurück und versuchen Sie es noch einmal.
